import type { Clock } from '../base/clock.ts';
import { messageOf, PlatformError } from '../base/errors.ts';
import { within } from '../base/within.ts';
import { conditionsAfter, isFalse } from '../apis/conditions.ts';
import type { Condition, Status } from '../apis/duck.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import type { Informers } from './informer.ts';
import type { EventRecorder } from './recorder.ts';
import type { Outcome, Reconciler, Told } from './reconciler.ts';
import { isUnknownKind, type KindName, type ResourceClient } from './resource-client.ts';
import type { QueueMeter } from './queue-meter.ts';
import { WorkQueue } from './work-queue.ts';

/** Which objects of the reconciled kind a changed object of another kind concerns, by key `namespace/name`. */
export type Watch = { readonly kind: KindName; readonly concerns: (object: Resource) => readonly string[] };

export type ControllerOptions<R extends Resource> = {
  readonly reconciler: Reconciler<R>;
  readonly client: ResourceClient;
  readonly informers: Informers;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly random: () => number;
  readonly watches?: readonly Watch[];
  readonly concurrency?: number;
  readonly meter?: QueueMeter | undefined;
  /** Told of a pass that failed, once each time. */
  readonly onError?: (key: string, error: unknown) => void;
  /** Told of an object that has become not ready, or is so for another cause than before. */
  readonly onNotReady?: (object: R, why: Condition) => void;
};

type Stated = Resource & { readonly status?: Status & Readonly<Record<string, unknown>> };

/** A pass that takes longer is given up and tried again. */
const PASS_TIMEOUT_MS = 60_000;

/** The owner of an object, when it is of that kind: the usual reason for one object to concern another. */
export function ownedBy(kind: string): (object: Resource) => readonly string[] {
  return ({ metadata: { ownerReferences = [], namespace } }) =>
    ownerReferences
      .filter((owner) => owner.kind === kind)
      .map(({ name }) => (namespace === undefined ? name : `${namespace}/${name}`));
}

/** Runs one reconciler: level-triggered, one pass at a time for each object, status written here. */
export class Controller<R extends Resource> {
  readonly #options: ControllerOptions<R>;
  readonly #queue: WorkQueue;

  constructor(options: ControllerOptions<R>) {
    this.#options = options;
    const { clock, random, concurrency = 4, meter } = options;
    this.#queue = new WorkQueue({ clock, random, concurrency, meter, work: (key) => this.#pass(key) });
  }

  start(): void {
    const { informers, reconciler, watches = [] } = this.#options;
    informers.of(reconciler.kind).onChange((object) => this.#queue.add(keyOf(object)));
    for (const { kind, concerns } of watches) {
      informers.of(kind).onChange((object) => {
        for (const key of concerns(object)) this.#queue.add(key);
      });
    }
  }

  /** Something outside the API has changed for this object. */
  enqueue(key: string): void {
    this.#queue.add(key);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #pass(key: string): Promise<{ againAfterMs: number } | undefined> {
    const { client, reconciler, onError, recorder } = this.#options;
    const slash = key.indexOf('/');
    const [namespace, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
    const object = await client.find<R>(reconciler.kind, namespace, name);
    if (object === undefined) return undefined;
    try {
      if (object.metadata.deletionTimestamp !== undefined) return await this.#finalize(object);
      const held = await this.#hold(object);
      return await this.#reconcile(held);
    } catch (error) {
      const isGone =
        isUnknownKind(error) && (await client.find(reconciler.kind, namespace, name)) === undefined;
      if (isGone) return undefined; // deleted while it was looked at
      if (!isExpected(error)) {
        onError?.(key, error);
        await recorder
          .tell(object, { type: 'Warning', reason: 'InternalError', message: messageOf(error) })
          .catch(() => undefined);
      }
      throw error; // the queue tries again
    }
  }

  async #reconcile(object: R): Promise<{ againAfterMs: number } | undefined> {
    const { reconciler, recorder } = this.#options;
    const outcome = await within(PASS_TIMEOUT_MS, reconciler.reconcile(object), tooLong);
    await this.#writeStatus(object, outcome);
    for (const told of outcome.events ?? []) await recorder.tell(object, told);
    return typeof outcome.next === 'object' ? { againAfterMs: outcome.next.afterMs } : undefined;
  }

  async #hold(object: R): Promise<R> {
    const { finalizer } = this.#options.reconciler;
    const { finalizers = [] } = object.metadata;
    if (finalizer === undefined || finalizers.includes(finalizer)) return object;
    const held = await this.#options.client.apply({
      ...object,
      metadata: { ...object.metadata, finalizers: [...finalizers, finalizer] },
    });
    await this.#options.recorder.tell(object, finalizersOf(object));
    return held;
  }

  async #finalize(object: R): Promise<undefined> {
    const { reconciler, client, recorder } = this.#options;
    const { finalizers = [] } = object.metadata;
    if (reconciler.finalizer === undefined || !finalizers.includes(reconciler.finalizer)) return undefined;
    const told = await this.#undo(object);
    for (const each of told) await recorder.tell(object, each);
    await client.apply({
      ...object,
      metadata: {
        ...object.metadata,
        finalizers: finalizers.filter((each) => each !== reconciler.finalizer),
      },
    });
    await recorder.tell(object, finalizersOf(object));
    return undefined;
  }

  /** What keeps an object from going stands in its status, where whoever waits for it looks. */
  async #undo(object: R): Promise<readonly Told[]> {
    const { reconciler } = this.#options;
    try {
      return (await reconciler.finalize?.(object)) ?? [];
    } catch (error) {
      const mark = isFalse(reconciler.conditions.happy, 'DeletionDelayed', messageOf(error));
      await this.#writeStatus(object, { marks: [mark], status: {}, next: 'settled' }).catch(() => undefined); // told below
      throw error;
    }
  }

  async #writeStatus(object: R, { marks, status }: Outcome): Promise<void> {
    const { client, reconciler, clock, onNotReady } = this.#options;
    const before: Stated['status'] = (object as Stated).status ?? {};
    const conditions = conditionsAfter(reconciler.conditions, before.conditions ?? [], marks, clock.nowMs());
    const fields = { ...before, ...status, observedGeneration: object.metadata.generation ?? 1, conditions };
    const kept = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    const { resourceVersion: _version, ...metadata } = object.metadata; // status has no other writer
    await client.patchStatus({ ...object, metadata, status: kept } as Stated);
    const { happy } = reconciler.conditions;
    const [was, now] = [before.conditions ?? [], conditions].map((all) =>
      all.find(({ type }) => type === happy),
    );
    if (now?.status === 'False' && now.message !== was?.message) onNotReady?.(object, now);
  }
}

/** Knative's words (pkg/client/injection/reconciler). */
function finalizersOf({ metadata: { name } }: Resource): Told {
  return { type: 'Normal', reason: 'FinalizerUpdate', message: `Updated ${JSON.stringify(name)} finalizers` };
}

/** Somebody else wrote in between; or an object waits for others to go, which its status tells. */
function isExpected(error: unknown): boolean {
  return error instanceof PlatformError && ['CONFLICT', 'DELETION_DELAYED'].includes(error.code);
}

const tooLong = (): Error => new Error(`the pass did not end within ${PASS_TIMEOUT_MS} ms`);
