import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Revision } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import { isGone, type ResourceClient } from '../../control/resource-client.ts';
import type { InstanceEvent } from '../activator/pool-tools.ts';
import { podOf, podStatusOf, type PodFacts } from './pod-objects.ts';

type Record = PodFacts & {
  readonly revision: string;
  readonly isGone: boolean;
};

/**
 * The Pod objects that stand for running instances. What happens to one while its Pod is being written is written once, at
 * the end: how it stands counts, not how often that has changed.
 */
export class Pods {
  readonly #cluster: ResourceClient;
  readonly #records = new Map<string, Record>();
  readonly #made = new Set<string>();
  readonly #turns = new Map<string, Promise<void>>();
  readonly #onError: (error: unknown) => void;

  constructor(cluster: ResourceClient, onError: (error: unknown) => void) {
    this.#cluster = cluster;
    this.#onError = onError;
  }

  /** Removes Pods of instances that a former run left; none of them can be running. */
  async clear(): Promise<void> {
    const { items } = await this.#cluster.list(KINDS.pod);
    for (const { metadata } of items) {
      if (metadata.labels?.[LABELS.revision] !== undefined)
        await this.#cluster.remove(KINDS.pod, metadata.namespace, metadata.name);
    }
  }

  follow(event: InstanceEvent): void {
    const known = this.#records.get(event.id);
    if (known === undefined && event.kind === 'gone') return;
    this.#records.set(event.id, after(known, event));
    if (!this.#turns.has(event.id)) this.#turns.set(event.id, this.#writeAll(event.id));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#turns.values());
  }

  async #writeAll(id: string): Promise<void> {
    await Promise.resolve(); // the turn is noted first
    let written: Record | undefined;
    for (;;) {
      const record = this.#records.get(id);
      if (record === undefined || record === written) break;
      written = record;
      try {
        await this.#write(record);
      } catch (error) {
        this.#onError(error);
      }
      if (record.isGone && this.#records.get(id) === record) this.#forget(id);
    }
    this.#turns.delete(id);
  }

  #forget(id: string): void {
    this.#records.delete(id);
    this.#made.delete(id);
  }

  async #write(record: Record): Promise<void> {
    const [namespace = '', name = ''] = record.revision.split('/');
    const { id } = record;
    if (record.isGone) return this.#cluster.remove(KINDS.pod, namespace, id);
    const revision = await this.#cluster.find<Revision>(KINDS.revision, namespace, name);
    if (revision === undefined) return;
    const pod = this.#made.has(id)
      ? await this.#cluster.find(KINDS.pod, namespace, id)
      : await this.#cluster.apply(podOf(revision, id));
    if (pod === undefined) return; // whoever deleted it is not to see it come back
    this.#made.add(id);
    const { resourceVersion: _version, ...metadata } = pod.metadata; // somebody may have labelled it meanwhile
    const status = podStatusOf(revision, record);
    await this.#cluster.patchStatus({ ...pod, metadata, status } as Resource).catch((error: unknown) => {
      if (!isGone(error)) throw error; // whoever deleted it meanwhile wants nothing told of it
    });
  }
}

function after(known: Record | undefined, event: InstanceEvent): Record {
  const { revision, id, atMs, kind } = event;
  const before: Record = known ?? {
    revision,
    id,
    startedMs: atMs,
    atMs,
    phase: 'starting',
    status: undefined,
    isGone: false,
  };
  switch (kind) {
    case 'starting':
    case 'ready':
    case 'draining':
      return { ...before, atMs, phase: kind };
    case 'changed':
      return { ...before, atMs, status: event.status };
    case 'ended':
      return event.ended.wasAsked ? before : { ...before, atMs, phase: 'crashed' };
    case 'failed':
      return { ...before, atMs, phase: 'crashed' };
    case 'gone':
      return { ...before, atMs, isGone: true };
    default:
      return event satisfies never;
  }
}
