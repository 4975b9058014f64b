import type { IncomingMessage, RequestListener } from 'node:http';
import { Agent, request } from 'undici';
import { systemClock, type Clock } from '../../src/base/clock.ts';
import { answerText } from '../../src/http/respond.ts';
import { openServer } from '../../src/http/server.ts';
import type { InstanceEvent } from '../../src/serving/activator/pool-tools.ts';
import { PLAIN_FRONT, type Front } from '../../src/serving/gateway/gateway.ts';
import { localHostsOf, type RevisionPlan, type ScalePlan } from '../../src/serving/plan.ts';
import { Serving } from '../../src/serving/serving.ts';
import { TwinRuntime } from './runtime.ts';
import { revisionPlan, SCALE } from './small-platform.ts';

export const WEB = 'demo/web-00001';
export const WEB_HOST = 'web.demo.svc.cluster.local';

export type Answer = {
  readonly code: number;
  readonly text: string;
  readonly headers: IncomingMessage['headers'];
};

/** Serving on the twin runtime behind two real listeners, with one service `web`. */
export async function openSmallServing(
  answer: RequestListener,
  clock: Clock = systemClock,
  front: Front = { ...PLAIN_FRONT, trusts: () => true },
) {
  const runtime = new TwinRuntime(answer);
  const events: InstanceEvent[] = [];
  const strays: string[] = []; // Hosts that reached the fallback of a listener
  const serving = new Serving({ runtime, clock, observe: (event) => events.push(event) });
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const door = (listener: 'public' | 'internal') =>
    openServer({
      name: listener,
      host: '127.0.0.1',
      port: 0,
      requestTimeoutMs: 0,
      ...serving.gateway(
        listener,
        ({ headers }, response) => {
          strays.push(headers.host ?? '');
          answerText(response, 404, 'not a service');
        },
        front,
      ),
    });
  const [publicDoor, internalDoor] = [await door('public'), await door('internal')];
  return {
    runtime,
    serving,
    events,
    strays,
    publicPort: publicDoor.port,
    internalPort: internalDoor.port,
    counts: () => serving.countsOf(WEB),
    web: (plan: Partial<RevisionPlan> = {}, scale: Partial<ScalePlan> = {}): void => {
      const base = revisionPlan('web', '/', { kind: 'program', command: ['web'] });
      serving.setRevision({ ...base, ...plan, scale: { ...SCALE, ...scale } });
      serving.setRoute({
        key: 'demo/web',
        publicHosts: ['web.demo.localhost'],
        localHosts: localHostsOf('demo', 'web'),
        targets: [{ revision: WEB, percent: 100 }],
      });
    },
    ask: async (
      path = '/',
      {
        host = WEB_HOST,
        port = internalDoor.port,
        ...more
      }: {
        host?: string;
        port?: number;
        method?: 'GET' | 'POST';
        body?: string | Buffer;
        headers?: Record<string, string>;
      } = {},
    ): Promise<Answer> => {
      const { statusCode, body, headers } = await request(`http://127.0.0.1:${port}${path}`, {
        ...more,
        headers: { ...more.headers, host },
        dispatcher: agent,
      });
      return { code: statusCode, text: await body.text(), headers };
    },
    close: async (): Promise<void> => {
      await serving.close(50);
      await Promise.all([publicDoor.close(50), internalDoor.close(50), agent.destroy()]);
    },
  };
}

export type SmallServing = Awaited<ReturnType<typeof openSmallServing>>;
