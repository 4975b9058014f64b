import { rfc3339 } from '../../apis/conditions.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Revision } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import type { InstanceEvent } from '../activator/pool-tools.ts';
import { ownerOf } from '../../control/owned.ts';

/** The Pod objects that stand for running instances; written in the order in which things happen to each. */
export class Pods {
  readonly #cluster: ResourceClient;
  readonly #turns = new Map<string, Promise<unknown>>();
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
    const before = this.#turns.get(event.id) ?? Promise.resolve();
    const turn = before.then(() => this.#write(event)).catch(this.#onError);
    this.#turns.set(event.id, turn);
    if (event.kind === 'ended' || event.kind === 'failed') void turn.then(() => this.#turns.delete(event.id));
  }

  async settled(): Promise<void> {
    await Promise.all(this.#turns.values());
  }

  async #write(event: InstanceEvent): Promise<void> {
    const [namespace = '', name = ''] = event.revision.split('/');
    if (event.kind === 'ended' || event.kind === 'failed')
      return this.#cluster.remove(KINDS.pod, namespace, event.id);
    const revision = await this.#cluster.find<Revision>(KINDS.revision, namespace, name);
    if (revision === undefined) return;
    if (event.kind === 'starting') await this.#cluster.apply(podOf(revision, event.id));
    const pod = await this.#cluster.find(KINDS.pod, namespace, event.id);
    if (pod !== undefined)
      await this.#cluster.patchStatus({ ...pod, status: statusOf(revision, event) } as Resource);
  }
}

function podOf(revision: Revision, id: string): Resource {
  const { name, namespace, labels = {} } = revision.metadata;
  const image = revision.status?.containerStatuses?.[0]?.imageDigest;
  return {
    ...KINDS.pod,
    metadata: {
      name: id,
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        app: name,
        [LABELS.revision]: name,
        [LABELS.revisionUid]: revision.metadata.uid ?? '',
      },
      ownerReferences: [ownerOf(revision)],
    },
    spec: {
      nodeName: 'localhost',
      containers: [
        ...(revision.spec.containers ?? []).map((container) => ({ ...container, image })),
        { name: 'queue-proxy', image: 'millrace/gateway' },
      ],
    },
  } as Resource;
}

function statusOf(revision: Revision, event: InstanceEvent): Record<string, unknown> {
  const isReady = event.kind === 'ready';
  const at = rfc3339(event.atMs);
  const state =
    event.kind === 'starting' ? { waiting: { reason: 'ContainerCreating' } } : { running: { startedAt: at } };
  const names = [
    ...(revision.spec.containers ?? []).map(({ name = 'user-container' }) => name),
    'queue-proxy',
  ];
  return {
    phase: event.kind === 'starting' ? 'Pending' : 'Running',
    podIP: '127.0.0.1',
    hostIP: '127.0.0.1',
    startTime: at,
    conditions: ['Initialized', 'PodScheduled', 'ContainersReady', 'Ready'].map((type) => ({
      type,
      status: isReady || !/Ready/.test(type) ? 'True' : 'False',
      lastTransitionTime: at,
    })),
    containerStatuses: names.map((name) => ({ name, ready: isReady, restartCount: 0, state, image: name })),
  };
}
