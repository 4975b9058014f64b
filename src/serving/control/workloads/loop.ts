import type { Clock } from '../../../base/clock.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import type { Watch } from '../../../control/controller.ts';
import type { Informers } from '../../../control/informer.ts';
import { isConflict, type KindName, type ResourceClient } from '../../../control/resource-client.ts';
import { WorkQueue } from '../../../control/work-queue.ts';

export type LoopTools = {
  readonly cluster: ResourceClient;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of a pass that failed; it is tried again. */
  readonly onError: (what: string, error: unknown) => void;
};

/** What a pass over an object makes of its status, and when it wants another pass. */
export type Passed = { readonly status?: object | undefined; readonly againAfterMs?: number | undefined };

export type Loop = { readonly enqueue: (key: string) => void; readonly close: () => Promise<void> };

/**
 * Goes over the objects of one of Kubernetes' own kinds, whose conditions are not Knative's: level-triggered, one pass at a
 * time for each object. `gone` is told of the keys of objects that are no more.
 */
export function startLoop<R extends Resource>(
  tools: LoopTools,
  kind: KindName,
  watches: readonly Watch[],
  pass: (object: R) => Promise<Passed>,
  gone: (key: string) => void = () => undefined,
): Loop {
  const { cluster, informers, clock, random, onError } = tools;
  const work = async (key: string): Promise<{ readonly againAfterMs: number } | undefined> => {
    const [namespace = '', name = ''] = key.split('/');
    const object = await cluster.find<R>(kind, namespace, name);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) {
      gone(key);
      return undefined;
    }
    try {
      const { status, againAfterMs } = await pass(object);
      if (status !== undefined) await writeStatus(cluster, object, status);
      return againAfterMs === undefined ? undefined : { againAfterMs };
    } catch (error) {
      if (!isConflict(error)) onError(`${kind.kind} ${key}`, error);
      throw error; // the queue tries again
    }
  };
  const queue = new WorkQueue({ clock, random, concurrency: 4, work });
  informers.of(kind).onChange((object) => queue.add(keyOf(object)));
  for (const watch of watches)
    informers.of(watch.kind).onChange((object) => {
      for (const key of watch.concerns(object)) queue.add(key);
    });
  return { enqueue: (key) => queue.add(key), close: () => queue.close() };
}

async function writeStatus(cluster: ResourceClient, object: Resource, status: object): Promise<void> {
  const { resourceVersion: _version, ...metadata } = object.metadata; // status has no other writer
  const kept = Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
  await cluster.patchStatus({ ...object, metadata, status: kept });
}
