import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { GitHubSource } from '../../src/apis/sources/github-source/schema.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { ByteBudget } from '../../src/http/body.ts';
import { planGitHubSource, type GitHubSourcePlan } from '../../src/sources/github/plan.ts';
import { createDoor, type DoorOptions } from '../../src/sources/door/door.ts';
import { gitHubDoor } from '../../src/sources/github/receiver.ts';

export const SECRET = 'It is a secret to everybody';
export type Example = { readonly name: string; readonly payload: Readonly<Record<string, unknown>> };

/** Every payload that GitHub publishes, each with the name of its event. */
export function examplePayloads(): readonly Example[] {
  const all = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly {
    readonly name: string;
    readonly examples: readonly Example['payload'][];
  }[];
  return all.flatMap(({ name, examples }) => examples.map((payload) => ({ name, payload })));
}

export function aGitHubSource(
  spec: Partial<GitHubSource['spec']> = {},
  annotations: Readonly<Record<string, string>> = {},
): GitHubSource {
  return {
    apiVersion: 'sources.knative.dev/v1alpha1',
    kind: 'GitHubSource',
    metadata: { name: 'repository', namespace: 'demo', uid: 'u-1', annotations },
    spec: {
      ownerAndRepository: 'Codertocat/Hello-World',
      eventTypes: ['*'],
      secretToken: { secretKeyRef: { name: 'github-webhook', key: 'secretToken' } },
      sink: { uri: 'http://sink.example/' },
      ...spec,
    },
    status: { sinkUri: 'http://sink.example/' },
  };
}

export type Sent = {
  readonly method?: string;
  readonly path?: string;
  readonly secret?: string;
  /** Replaces or, when undefined, leaves out headers of a good delivery. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
};
export type Answered = { readonly code: number; readonly text: string; readonly headers: Headers };

/** A receiver on a port of its own, with one source whose sink remembers what it took. */
export class GitHubWorld {
  readonly events: CloudEvent[] = [];
  readonly errors: unknown[] = [];
  plan: GitHubSourcePlan;
  secret: string | undefined = SECRET;
  take: (event: CloudEvent, signal: AbortSignal) => Promise<void> = async (event) => {
    this.events.push(event);
  };
  readonly #server: Server;

  constructor(source: GitHubSource, options: Partial<DoorOptions>) {
    this.plan = planGitHubSource(source);
    this.#server = createServer(
      createDoor({
        find: (namespace, name) =>
          `${namespace}/${name}` === this.plan.key ? gitHubDoor(this.plan, () => this.secret) : undefined,
        sinkFor: () => ({ send: (event, signal) => this.take(event, signal) }),
        clock: systemClock,
        budget: new ByteBudget(256 * 1024 * 1024),
        onError: (error) => this.errors.push(error),
        ...options,
      }),
    );
  }

  static async open(
    source: GitHubSource = aGitHubSource(),
    options: Partial<DoorOptions> = {},
  ): Promise<GitHubWorld> {
    const world = new GitHubWorld(source, options);
    await new Promise<void>((resolve) => world.#server.listen(0, '127.0.0.1', resolve));
    return world;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Sends a delivery as GitHub does. */
  async send(
    body: string | Uint8Array,
    { method = 'POST', path, secret, headers }: Sent = {},
  ): Promise<Answered> {
    const good = {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': 'd-1',
      'x-hub-signature-256': signatureOf(body, secret),
    };
    const wanted = Object.entries({ ...good, ...headers }).filter((each) => each[1] !== undefined);
    const response = await fetch(`http://127.0.0.1:${this.port}${path ?? '/webhooks/demo/repository'}`, {
      method,
      headers: wanted as [string, string][],
      ...(method === 'POST' && { body: body as Uint8Array<ArrayBuffer> }),
    });
    return { code: response.status, text: await response.text(), headers: response.headers };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

export function signatureOf(body: string | Uint8Array, secret = SECRET, algorithm = 'sha256'): string {
  return `${algorithm}=${createHmac(algorithm, secret).update(body).digest('hex')}`;
}
