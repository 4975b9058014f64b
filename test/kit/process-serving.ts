import { Agent, request } from 'undici';
import { systemClock } from '../../src/base/clock.ts';
import { answerText } from '../../src/http/respond.ts';
import { openServer } from '../../src/http/server.ts';
import type { InstanceEvent } from '../../src/serving/activator/pool-tools.ts';
import { localHostsOf, type RevisionPlan, type ScalePlan } from '../../src/serving/plan.ts';
import type { LogSink } from '../../src/serving/runtime/process/output.ts';
import { ProcessRuntime } from '../../src/serving/runtime/process/process-runtime.ts';
import type { Launch, Limits } from '../../src/serving/runtime/container-spec.ts';
import { Serving, type RevisionSnapshot } from '../../src/serving/serving.ts';
import { temporaryFolder } from './folders.ts';
import { revisionPlan, SCALE } from './small-platform.ts';

type Files = Readonly<Record<string, string>>;
type Asked = { readonly method?: 'GET' | 'POST'; readonly body?: string; readonly signal?: AbortSignal };
export type Said = {
  readonly code: number;
  readonly text: string;
  readonly headers: Record<string, unknown>;
};

/**
 * A function that watches what the platform promises of its instances, and says it in each answer: how many requests it
 * had at most, and whether it was asked before its init() had ended or after it had been told to end. `?ms=` is how long
 * it takes.
 */
export const WITNESS: Files = {
  'index.mjs': `
    let [isReady, isEnding, now, most] = [false, false, 0, 0];
    process.on('SIGTERM', () => { isEnding = true; });
    const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    export const init = async () => { await pause(20); isReady = true; };
    export const handle = async (context) => {
      now += 1;
      most = Math.max(most, now);
      const wasIll = !isReady || isEnding;
      await pause(Number(context.query.ms ?? 3));
      now -= 1;
      return { pid: process.pid, most, wasIll: wasIll || isEnding, revision: process.env.K_REVISION };
    };`,
};
export type Witnessed = {
  readonly pid: number;
  readonly most: number;
  readonly wasIll: boolean;
  readonly revision: string;
};
export const FUNCTION: Launch = { kind: 'function', entry: 'index.mjs' };

/** Serving on real processes behind the internal listener. */
export async function openProcessServing({ warm = 2, logs }: { warm?: number; logs?: LogSink } = {}) {
  const sink = logs ?? { write: () => undefined };
  const folder = temporaryFolder('process-serving');
  const runtime = ProcessRuntime.open({ folder, warm, logs: sink, routes: () => [] });
  const events: InstanceEvent[] = [];
  const serving = new Serving({ runtime, clock: systemClock, observe: (event) => events.push(event) });
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0 });
  const door = await openServer({
    name: 'internal',
    host: '127.0.0.1',
    port: 0,
    requestTimeoutMs: 0,
    ...serving.gateway('internal', (_, response) => answerText(response, 404, 'not a service')),
  });

  const snapshotOf = (revision: string): RevisionSnapshot | undefined =>
    serving.snapshot().find((each) => each.revision === `demo/${revision}`);
  const ask = async (service: string, path = '/', how: Asked = {}): Promise<Said> => {
    const { statusCode, headers, body } = await request(`http://127.0.0.1:${door.port}${path}`, {
      ...how,
      headers: { host: `${service}.demo` },
      dispatcher: agent,
    });
    return { code: statusCode, text: await body.text(), headers };
  };
  return {
    runtime,
    serving,
    events,
    port: door.port,
    /** Makes a revision; `name` is that of the service, `revision` of the whole. */
    revision: (
      revision: string,
      directory: string,
      launch: Launch,
      {
        plan = {},
        scale = {},
        env = {},
        limits = { memoryBytes: undefined, milliCpus: undefined },
      }: {
        readonly plan?: Partial<RevisionPlan>;
        readonly scale?: Partial<ScalePlan>;
        readonly env?: Readonly<Record<string, string>>;
        readonly limits?: Limits;
      } = {},
    ): void => {
      const base = revisionPlan('any', directory, launch);
      const containers = base.instance.containers.map((each) => ({ ...each, env, limits }));
      const instance = { ...base.instance, revision, containers, ...plan.instance };
      const key = `demo/${revision}`;
      serving.setRevision({ ...base, key, ...plan, instance, scale: { ...SCALE, ...scale } });
    },
    route: (service: string, revision: string): void =>
      serving.setRoute({
        key: `demo/${service}`,
        publicHosts: [],
        localHosts: localHostsOf('demo', service),
        targets: [{ revision: `demo/${revision}`, percent: 100 }],
      }),
    counts: (revision: string) => serving.countsOf(`demo/${revision}`),
    /** The instances of a revision, in the order of their starts. */
    instances: (revision: string) => snapshotOf(revision)?.instances ?? [],
    pidOf: (id: string | undefined): number | undefined =>
      events
        .flatMap((event) => (event.kind === 'ready' && event.id === id ? [event.instance.pid] : []))
        .at(-1),
    ask,
    witness: async (service: string, path = '/'): Promise<Witnessed> => {
      const { code, text } = await ask(service, path);
      if (code !== 200) throw new Error(`${code}: ${text}`);
      return JSON.parse(text) as Witnessed;
    },
    close: async (): Promise<void> => {
      await serving.close(200);
      await Promise.all([door.close(100), agent.destroy()]);
    },
  };
}

export type ProcessServing = Awaited<ReturnType<typeof openProcessServing>>;
