import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WebhookSource } from '../../src/apis/sources/webhook-source/schema.ts';
import { webhookSourceKind } from '../../src/apis/sources/webhook-source/webhook-source.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { ByteBudget } from '../../src/http/body.ts';
import { createDoor, type DoorOptions } from '../../src/sources/door/door.ts';
import type { DoorRequest } from '../../src/sources/door/door-source.ts';
import { planWebhookSource, type WebhookPlan } from '../../src/sources/webhook/plan.ts';
import { webhookDoor } from '../../src/sources/webhook/receiver.ts';
import type { Secret } from '../../src/sources/webhook/verify.ts';
import { FakeClock } from './fake-clock.ts';
import { created } from './world.ts';

type Spec = Partial<WebhookSource['spec']>;
export type Headers = Readonly<Record<string, string>>;

/** With its defaults, as the API keeps it. */
export function aWebhookSource(spec: Spec): WebhookSource {
  const source: WebhookSource = {
    apiVersion: 'sources.millrace.dev/v1alpha1',
    kind: 'WebhookSource',
    metadata: { name: 'shop', namespace: 'demo', uid: 'u-1' },
    spec: {
      secrets: [{ secretKeyRef: { name: 'shop', key: 'secret' } }],
      sink: { uri: 'http://sink.example/' },
      ...spec,
    },
    status: { sinkUri: 'http://sink.example/' },
  };
  return webhookSourceKind.setDefaults(source, created());
}

export function aPlan(spec: Spec): WebhookPlan {
  return planWebhookSource(aWebhookSource(spec));
}

/** A request as node:http hands it over. */
export function aRequest(body: string | Uint8Array, headers: Headers = {}): DoorRequest {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
  return {
    headers: Object.fromEntries(lower),
    rawHeaders: Object.entries(headers).flat(),
    body: Buffer.from(body),
  };
}

/** The door of one source on a port of its own; its sink remembers what it took. */
export class WebhookWorld {
  readonly clock = new FakeClock();
  readonly events: CloudEvent[] = [];
  readonly errors: unknown[] = [];
  secrets: readonly Secret[] = [{ value: 'it is a secret' }];
  plan: WebhookPlan;
  take: (event: CloudEvent) => Promise<void> = async (event) => void this.events.push(event);
  readonly #server: Server;

  private constructor(spec: Spec, options: Partial<DoorOptions>) {
    this.plan = aPlan(spec);
    const tools = {
      secretsOf: () => this.secrets,
      nowMs: () => this.clock.nowMs(),
      randomId: () => 'random',
    };
    this.#server = createServer(
      createDoor({
        find: (namespace, name) =>
          `${namespace}/${name}` === this.plan.key ? webhookDoor(this.plan, tools) : undefined,
        sinkFor: () => ({ send: (event) => this.take(event) }),
        clock: this.clock,
        budget: new ByteBudget(64 * 1024 * 1024),
        onError: (error) => this.errors.push(error),
        ...options,
      }),
    );
  }

  static async open(spec: Spec, options: Partial<DoorOptions> = {}): Promise<WebhookWorld> {
    const world = new WebhookWorld(spec, options);
    await new Promise<void>((resolve) => world.#server.listen(0, '127.0.0.1', resolve));
    return world;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/webhooks/demo/shop`;
  }

  async send(body: string | Uint8Array, headers: Headers = {}, method = 'POST'): Promise<Answered> {
    const response = await fetch(this.url, {
      method,
      headers,
      ...(method === 'POST' && { body: Buffer.from(body) }),
    });
    return { code: response.status, text: await response.text(), headers: response.headers };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

type Answered = { readonly code: number; readonly text: string; readonly headers: globalThis.Headers };
