import type { Condition } from '../../apis/duck.ts';
import type { KindDefinition } from '../../apis/kind.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import type { Resource } from '../../apis/resource.ts';
import type { SqliteStore } from '../../apiserver/storage/sqlite-store.ts';

/** An object that is not what was asked for, and why, as its conditions tell. */
export type NotReady = {
  readonly kind: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly reason: string;
  readonly message: string;
};

/** So many are named at most. */
const NAMED_MAX = 200;
const SELF_LABEL = 'platform.millrace.dev/self';

/** What somebody has applied and is not ready; what follows from such an object tells of it in that one's conditions. */
export function notReady(store: SqliteStore): readonly NotReady[] {
  const found: NotReady[] = [];
  for (const kind of store.kinds.kinds) {
    for (const object of applied(store, kind)) {
      const why = whyNot(object);
      if (why === undefined) continue;
      const { namespace, name } = object.metadata;
      const { reason = '', message = '' } = why;
      found.push({ kind: kind.kind, namespace, name, reason, message });
      if (found.length >= NAMED_MAX) return found;
    }
  }
  return found;
}

function applied(store: SqliteStore, { group, kind, subresources }: KindDefinition): readonly Resource[] {
  if (subresources?.status !== true) return [];
  return store
    .list({ group, kind })
    .items.filter(
      ({ metadata: { ownerReferences = [], labels = {} } }) =>
        (ownerReferences.length === 0 || isOfWorkload(kind, labels)) && labels[SELF_LABEL] === undefined,
    );
}

/** A Deployment or a Job does not tell what its Pods do; a Revision does. */
function isOfWorkload(kind: string, labels: Readonly<Record<string, string>>): boolean {
  return kind === 'Pod' && labels[LABELS.revision] === undefined;
}

function whyNot(object: Resource): Partial<Condition> | undefined {
  const { conditions = [] } = Object(Reflect.get(object, 'status')) as { conditions?: readonly Condition[] };
  const of = (type: string): Condition | undefined => conditions.find((each) => each.type === type);
  switch (object.kind) {
    case 'Deployment':
    case 'ReplicaSet':
      return isFalse(of('Available'));
    case 'Job': {
      const failed = of('Failed');
      return failed?.status === 'True' ? failed : undefined;
    }
    case 'Pod':
      return whyPodIsNot(object, of('Ready'));
    default: {
      const ready = of('Ready');
      return ready === undefined || ready.status === 'True' ? undefined : ready;
    }
  }
}

const isFalse = (condition: Condition | undefined): Condition | undefined =>
  condition?.status === 'False' ? condition : undefined;

type Told = { readonly reason?: string; readonly message?: string };
type ContainerState = {
  readonly state?: { readonly waiting?: Told; readonly terminated?: Told };
  readonly lastState?: { readonly terminated?: Told };
};

/** One that has succeeded is not ready, either. */
function whyPodIsNot(pod: Resource, ready: Condition | undefined): Partial<Condition> | undefined {
  const { phase, containerStatuses = [] } = Object(Reflect.get(pod, 'status')) as {
    phase?: string;
    containerStatuses?: readonly ContainerState[];
  };
  if (phase === 'Succeeded' || isFalse(ready) === undefined) return undefined;
  const told = containerStatuses.flatMap(({ state = {}, lastState = {} }) =>
    'running' in state ? [] : [state.terminated ?? lastState.terminated ?? state.waiting ?? {}],
  );
  return told.find(({ message, reason }) => (message ?? reason) !== undefined) ?? ready;
}
