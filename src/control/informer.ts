import type { Clock } from '../base/clock.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import type { KindName, ResourceReader } from './resource-client.ts';

export type InformerOptions = {
  readonly reader: ResourceReader;
  readonly kind: KindName;
  readonly clock: Clock;
  readonly random: () => number;
  /** Objects that no reader of it wants to know of: they are not kept, and nobody is told of them. */
  readonly isUnread?: ((object: Resource) => boolean) | undefined;
};

export type Handler = (object: Resource, type: 'ADDED' | 'MODIFIED' | 'DELETED') => void;

const RESYNC_MS = 600_000;
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MAX_MS = 30_000;

/**
 * All objects of a kind, kept in step by list and watch.
 *   N1  no error stops it but stop(): an expired watch lists anew at once, any other fault after a growing pause.
 *   N2  stop() during a list opens no watch after it.
 *   N3  handlers are told of every object again at each resync, so that a lost wake-up is no lost work.
 */
export class Informer {
  readonly #options: InformerOptions;
  readonly #objects = new Map<string, Resource>();
  readonly #handlers: Handler[] = [];
  readonly #stop = new AbortController();
  #synced = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;

  constructor(options: InformerOptions) {
    this.#options = options;
  }

  /** Resolves once the first list is in. */
  get synced(): Promise<void> {
    return this.#synced.promise;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  onChange(handler: Handler): void {
    this.#handlers.push(handler);
    for (const object of this.#objects.values()) handler(object, 'ADDED');
  }

  get(key: string): Resource | undefined {
    return this.#objects.get(key);
  }

  all(): readonly Resource[] {
    return [...this.#objects.values()];
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#listAndWatch(() => (failures = 0));
      } catch (error) {
        const isExpired = error instanceof Error && 'code' in error && error.code === 'EXPIRED';
        if (isExpired) continue;
        const pauseMs = Math.min(BACKOFF_FIRST_MS * 2 ** failures, BACKOFF_MAX_MS) * (0.5 + random());
        failures += 1;
        await clock.until(clock.nowMs() + pauseMs, signal); // N1
      }
    }
  }

  async #listAndWatch(onSynced: () => void): Promise<void> {
    const { reader, kind, clock } = this.#options;
    const { items, resourceVersion } = await reader.list(kind);
    if (this.#stop.signal.aborted) return; // N2
    this.#replace(items);
    this.#synced.resolve();
    onSynced();
    const resync = new AbortController();
    const signal = AbortSignal.any([this.#stop.signal, resync.signal]);
    void clock.until(clock.nowMs() + RESYNC_MS, signal).then(() => resync.abort()); // N3
    try {
      for await (const { type, object } of reader.watch(kind, { since: resourceVersion, signal }))
        this.#take(object, type);
    } finally {
      resync.abort(); // a watch that broke leaves no timer behind
    }
  }

  #replace(items: readonly Resource[]): void {
    const { isUnread = () => false } = this.#options;
    const read = items.filter((object) => !isUnread(object));
    const now = new Map(read.map((object) => [keyOf(object), object]));
    for (const [key, object] of this.#objects) if (!now.has(key)) this.#take(object, 'DELETED');
    for (const object of read) this.#take(object, this.#objects.has(keyOf(object)) ? 'MODIFIED' : 'ADDED');
  }

  #take(object: Resource, type: 'ADDED' | 'MODIFIED' | 'DELETED'): void {
    if (this.#options.isUnread?.(object) === true && !this.#objects.has(keyOf(object))) return;
    if (type === 'DELETED') this.#objects.delete(keyOf(object));
    else this.#objects.set(keyOf(object), object);
    for (const handler of this.#handlers) handler(object, type);
  }
}

/** One informer for each kind, whoever asks for it. */
export class Informers {
  readonly #options: Omit<InformerOptions, 'kind'>;
  readonly #informers = new Map<string, Informer>();

  constructor(options: Omit<InformerOptions, 'kind'>) {
    this.#options = options;
  }

  of(kind: KindName): Informer {
    const key = `${kind.apiVersion} ${kind.kind}`;
    const informer = this.#informers.get(key) ?? new Informer({ ...this.#options, kind });
    this.#informers.set(key, informer);
    informer.start();
    return informer;
  }

  async synced(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.synced));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map((informer) => informer.stop()));
  }
}
