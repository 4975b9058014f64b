import { setTimeout as pause } from 'node:timers/promises';
import { conditionOf } from '../../apis/conditions.ts';
import type { Service } from '../../apis/serving/types.ts';
import { PLATFORM_API, type ApiClient } from '../client.ts';
import { EXIT, UserError } from '../command.ts';

/** What became of a save. */
export type Saved =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'ready'; readonly revision: string; readonly url: string }
  /** It cannot be pushed, or does not start; `serving` goes on, when there is one. */
  | { readonly kind: 'broken'; readonly reason: string; readonly serving: string | undefined };

type Pushed = { readonly name: string; readonly digest: string };

const LOOK_MS = 25;
/** As long as a revision may take by default. */
const READY_MAX_MS = 600_000;

/** The Service that `dev` keeps at what a folder holds. */
export class LiveService {
  readonly #client: ApiClient;
  readonly #namespace: string;
  readonly #name: string;
  #digest: string | undefined;
  #wasThere = false;

  constructor(client: ApiClient, namespace: string, name: string) {
    this.#client = client;
    this.#namespace = namespace;
    this.#name = name;
  }

  /** Whether it was there before, and so stays when `dev` ends. */
  get wasThere(): boolean {
    return this.#wasThere;
  }

  async open(): Promise<void> {
    this.#wasThere = (await this.#find()) !== undefined;
  }

  /** Pushes what is at `path`, and rolls it out when it is new; gives up when `signal` aborts. */
  async save(path: string, signal: AbortSignal): Promise<Saved> {
    let pushed: Pushed;
    try {
      pushed = await this.#client.post<Pushed>(`${PLATFORM_API}/images`, { image: this.#image, path });
    } catch (error) {
      if (!(error instanceof UserError) || error.exit !== EXIT.failed) throw error;
      return this.#broken(error.message);
    }
    if (pushed.digest === this.#digest) return { kind: 'unchanged' };
    this.#digest = pushed.digest;
    await this.#apply(pushed.digest);
    return this.#untilKnown(signal);
  }

  remove(): Promise<unknown> {
    return this.#client.delete(this.#path);
  }

  get #image(): string {
    return `dev.local/${this.#name}`;
  }

  get #collection(): string {
    return `/apis/serving.knative.dev/v1/namespaces/${this.#namespace}/services`;
  }

  get #path(): string {
    return `${this.#collection}/${this.#name}`;
  }

  /** A new annotation on the template makes a new revision, which pins the image anew. */
  async #apply(digest: string): Promise<void> {
    const template = {
      metadata: { annotations: { 'client.millrace.dev/pushed': digest } },
      spec: { containers: [{ image: this.#image }] },
    };
    const found = await this.#find();
    if (found === undefined) {
      const metadata = { name: this.#name, namespace: this.#namespace };
      const service = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata, spec: { template } };
      return void (await this.#client.post(this.#collection, service));
    }
    // Of a Service that was there only the image changes: its variables, probes and limits stay.
    const [first = {}, ...others] = found.spec.template?.spec?.containers ?? [];
    const containers = [{ ...first, image: this.#image }, ...others];
    const spec = { template: { ...template, spec: { containers } } };
    await this.#client.patch(this.#path, { spec });
  }

  /** Polls until its newest revision is ready, or has failed. */
  async #untilKnown(signal: AbortSignal): Promise<Saved> {
    for (const endMs = Date.now() + READY_MAX_MS; Date.now() < endMs && !signal.aborted;) {
      const service = await this.#find();
      const status = service?.status;
      const isCurrent = status?.observedGeneration === service?.metadata.generation;
      const ready = conditionOf(status, 'Ready');
      const revision = status?.latestCreatedRevisionName;
      if (isCurrent && ready?.status === 'True' && revision === status?.latestReadyRevisionName)
        return { kind: 'ready', revision: revision ?? '', url: status?.url ?? '' };
      const failed = conditionOf(status, 'ConfigurationsReady');
      if (isCurrent && failed?.status === 'False') return this.#broken(failed.message ?? failed.reason ?? '');
      await pause(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
    return this.#broken('it is not ready yet');
  }

  async #broken(reason: string): Promise<Saved> {
    const serving = (await this.#find())?.status?.latestReadyRevisionName;
    return { kind: 'broken', reason, serving };
  }

  async #find(): Promise<Service | undefined> {
    try {
      return await this.#client.get<Service>(this.#path);
    } catch (error) {
      if (error instanceof UserError && error.exit === EXIT.notFound && error.code === 'MR0011')
        return undefined;
      throw error;
    }
  }
}
