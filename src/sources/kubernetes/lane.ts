import type { LabelSelector } from '../../apis/label-selector.ts';
import type { Resource } from '../../apis/resource.ts';
import { growingPauseMs } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Change, KindName, ResourceReader } from '../../control/resource-client.ts';
import type { Seen } from './cluster-event.ts';
import { KnownObjects, type Room } from './known-objects.ts';

/** What a lane watches: the objects of one kind, in one namespace or all, with some labels or any. */
export type Watched = KindName & {
  readonly namespace: string | undefined;
  readonly selector: LabelSelector | undefined;
};

export type LaneOptions = {
  readonly reader: ResourceReader;
  readonly clock: Clock;
  readonly random: () => number;
  readonly watched: Watched;
  /** What it is not concerned with is neither told nor remembered. */
  readonly concerns: (object: Resource) => boolean;
  /** Whether what is there at the very first list is told as added. */
  readonly tellsExisting: boolean;
  readonly room: Room;
  /** Resolves once the sink has it, or never will; rejects only when `signal` aborts. */
  readonly take: (seen: Seen, signal: AbortSignal) => Promise<void>;
  readonly onState: (state: LaneState) => void;
  /** How far it has come is another. */
  readonly onMoved: () => void;
  /** Deletions that a relist could not find, for want of room. */
  readonly onLost: (message: string) => void;
};

export type LaneState =
  | { readonly kind: 'starting' }
  | { readonly kind: 'running' }
  | { readonly kind: 'failing'; readonly code: string; readonly message: string };

/** How far a lane has come: what is in a bookmark. */
export type Position = {
  readonly version: string;
  readonly ms: number;
  readonly known: string;
  readonly notRemembered: number;
};

/** The version of a lane that has told some of what was there, and has not yet come to a version. */
const NOTHING = '';
const PAUSE = { firstMs: 100, maxMs: 30_000 };

/**
 * Follows one kind of objects by list and watch, and hands on each change in order, one after the other.
 *   L1  its position moves past a change only once that was taken.
 *   L2  a watch that is cut goes on from its position; one that is too old for that lists, and tells what is other than
 *       what is remembered.
 *   L3  no error ends it but close(): it tries again after a growing pause of at most 30 seconds.
 */
export class Lane {
  readonly #options: LaneOptions;
  readonly #known: KnownObjects;
  readonly #stop = new AbortController();
  #version: string | undefined; // everything up to it was taken; undefined before the first list
  #ms = 0; // when that was so
  #isExpired = false;
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: LaneOptions, position: Position | undefined) {
    this.#options = options;
    this.#known = new KnownObjects(options.room, position?.notRemembered);
    if (position === undefined) return;
    this.#known.read(position.known);
    this.#version = position.version;
    this.#ms = position.ms;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** How many objects it remembers. */
  get remembered(): number {
    return this.#known.size;
  }

  /** Undefined before it has come anywhere; `charsMax` bounds what is remembered. */
  position(charsMax: number): Position | undefined {
    if (this.#version === undefined) return undefined;
    const { text, notRemembered } = this.#known.write(charsMax);
    return { version: this.#version, ms: this.#ms, known: text, notRemembered };
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** Gives back the room that it has taken; after close(). */
  forget(): void {
    this.#known.clear();
  }

  async #run(): Promise<void> {
    const { clock, random, onState } = this.#options;
    const { signal } = this.#stop;
    onState({ kind: 'starting' });
    while (!signal.aborted) {
      try {
        if (!this.#version || this.#isExpired) await this.#list();
        await this.#watch(this.#version ?? NOTHING);
      } catch (error) {
        if (signal.aborted) return;
        const code = error instanceof PlatformError ? error.code : 'INTERNAL';
        this.#isExpired ||= code === 'EXPIRED';
        const isFirstExpiry = code === 'EXPIRED' && this.#failures === 0;
        this.#failures += 1;
        if (isFirstExpiry) continue; // L2
        onState({ kind: 'failing', code, message: messageOf(error) });
        const pauseMs = growingPauseMs(this.#failures, PAUSE, random);
        await clock.until(clock.nowMs() + pauseMs, signal); // L3
      }
    }
  }

  async #list(): Promise<void> {
    const { reader, watched, concerns, tellsExisting, clock, onLost } = this.#options;
    const listed = await reader.list(watched, watched.namespace, watched.selector);
    const items = listed.items.filter(concerns);
    if (this.#version === undefined && tellsExisting) this.#version = NOTHING;
    if (this.#version !== undefined) {
      const { seen, notRemembered } = this.#known.compare(watched, items, this.#version, this.#ms);
      if (notRemembered > 0) onLost(lostText(watched, notRemembered, this.#ms));
      for (const each of seen) await this.#take(each);
    }
    this.#stop.signal.throwIfAborted();
    this.#known.replace(items);
    this.#isExpired = false;
    this.#move(listed.resourceVersion, clock.nowMs());
  }

  async #watch(since: string): Promise<void> {
    const { reader, watched, concerns, clock, onState } = this.#options;
    const { namespace, selector } = watched;
    const onProgress = (version: string): void => {
      this.#failures = 0;
      onState({ kind: 'running' });
      this.#move(version, clock.nowMs()); // what came before it was pulled and taken by the loop below
    };
    const { signal } = this.#stop;
    for await (const change of reader.watch(watched, { since, signal, namespace, selector, onProgress })) {
      const { type, object } = change;
      const { resourceVersion } = object.metadata;
      if (concerns(object)) await this.#take({ verb: VERBS[type], object });
      if (resourceVersion !== undefined) this.#move(resourceVersion, clock.nowMs());
    }
  }

  async #take(seen: Seen): Promise<void> {
    const { signal } = this.#stop;
    await this.#options.take(seen, signal);
    if (seen.verb === 'delete') this.#known.forget(seen.object);
    else this.#known.note(seen.object, seen.verb === 'add');
    this.#options.onMoved(); // L1
  }

  #move(version: string, nowMs: number): void {
    this.#version = version;
    this.#ms = nowMs;
    this.#options.onMoved();
  }
}

const VERBS: Readonly<Record<Change['type'], Seen['verb']>> = {
  ADDED: 'add',
  MODIFIED: 'update',
  DELETED: 'delete',
};

function lostText({ kind, namespace }: Watched, notRemembered: number, sinceMs: number): string {
  const where = namespace === undefined ? 'all namespaces' : `namespace ${namespace}`;
  const since = new Date(sinceMs).toISOString();
  return `${kind} in ${where}: the cluster no longer has what happened after ${since}, and of ${notRemembered} objects too many were there to remember each: which of those were deleted since then is not told`;
}
