import { createHash } from 'node:crypto';
import { DEPLOYMENT, REVISION_ANNOTATION, type Deployment } from '../../../apis/apps/deployment.ts';
import { REPLICA_SET, type ReplicaSet } from '../../../apis/apps/replica-set.ts';
import { POD, type Pod } from '../../../apis/core/pod.ts';
import { childName } from '../../../apis/names.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import { ownedBy } from '../../../control/controller.ts';
import { isOwnedBy, ownerOf } from '../../../control/owned.ts';
import { EventRecorder } from '../../../control/recorder.ts';
import { normal } from './told.ts';
import { claim, claimants } from './claim.ts';
import { deploymentStatus, progressDeadlineAfterMs } from './deployment-status.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import { IMAGES_ANNOTATION } from './pinned-images.ts';
import { whyNotReady } from './pod-status.ts';
import { boundsOf, pausedStep, recreateStep, rollingStep, type SetCount } from './rolling.ts';

export const HASH_LABEL = 'pod-template-hash';
const HISTORY_ANNOTATION = 'deployment.kubernetes.io/revision-history';
const HASH_LENGTH = 10;
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION_ANNOTATION,
  HISTORY_ANNOTATION,
  IMAGES_ANNOTATION, // `kubectl rollout undo` brings a ReplicaSet's here: what it ran is its own
]);

/** Rolls Deployments out by their ReplicaSets (kubernetes pkg/controller/deployment). */
export function startDeployments(tools: LoopTools): Loop {
  const { informers, cluster, clock } = tools;
  const recorder = new EventRecorder(cluster, clock, 'deployment-controller');
  const ofPod = (pod: Resource): readonly string[] =>
    ownedBy('ReplicaSet')(pod).flatMap((key) => {
      const set = informers.of(REPLICA_SET).get(key);
      return set === undefined ? [] : ownedBy('Deployment')(set);
    });
  const watches = [
    { kind: REPLICA_SET, concerns: ownedBy('Deployment') },
    { kind: REPLICA_SET, concerns: claimants(informers, DEPLOYMENT) },
    { kind: POD, concerns: ofPod },
  ];
  return startLoop<Deployment>(tools, DEPLOYMENT, watches, (deployment) =>
    new Rollout(tools, recorder, deployment).pass(),
  );
}

/** What a Revision's Deployment shows is run by the activator. */
function isRevisions({ metadata }: Resource): boolean {
  return (metadata.ownerReferences ?? []).some(({ kind }) => kind === 'Revision');
}

/** One pass over one Deployment. */
class Rollout {
  readonly #tools: LoopTools;
  readonly #deployment: Deployment;
  readonly #recorder: EventRecorder;
  readonly #hash: string;

  constructor(tools: LoopTools, recorder: EventRecorder, deployment: Deployment) {
    this.#recorder = recorder;
    this.#tools = tools;
    this.#deployment = deployment;
    this.#hash = templateHashOf(deployment);
  }

  async pass(): Promise<Passed> {
    const deployment = this.#deployment;
    if (isRevisions(deployment)) return {};
    const { clock } = this.#tools;
    const before = await this.#sets();
    const fresh = await this.#newSet(before);
    const sets = [...before.filter((set) => !this.#isNew(set)), ...(fresh === undefined ? [] : [fresh])];
    await this.#scale(sets);
    await this.#forgetOld(sets);
    const trouble = fresh === undefined ? undefined : await this.#troubleOf(fresh);
    const status = deploymentStatus(deployment, sets, fresh, trouble, clock.nowMs());
    return { status, againAfterMs: progressDeadlineAfterMs(deployment, status, clock.nowMs()) };
  }

  #isNew(set: ReplicaSet): boolean {
    return set.metadata.labels?.[HASH_LABEL] === this.#hash;
  }

  async #sets(): Promise<readonly ReplicaSet[]> {
    const sets = await claim<ReplicaSet>(this.#tools.cluster, this.#deployment, REPLICA_SET);
    return sets.toSorted((a, b) => revisionOf(a) - revisionOf(b));
  }

  /** The one of the template as it is now; undefined while a changed template waits. */
  async #newSet(sets: readonly ReplicaSet[]): Promise<ReplicaSet | undefined> {
    const known = sets.find((set) => this.#isNew(set));
    if (known === undefined && this.#deployment.spec.paused === true) return undefined;
    const others = sets.filter((set) => set !== known).map(revisionOf);
    const newest = Math.max(0, ...others) + 1;
    const revision = known === undefined ? newest : Math.max(revisionOf(known), newest);
    await this.#number(revision);
    const desired = known ?? this.#madeSet();
    const former = known === undefined || revisionOf(known) === revision ? undefined : revisionOf(known);
    const { annotations = {} } = desired.metadata;
    const history = [annotations[HISTORY_ANNOTATION], former].filter((each) => each !== undefined).join(',');
    const metadata = {
      ...desired.metadata,
      annotations: {
        ...annotations,
        ...this.#annotations(),
        [REVISION_ANNOTATION]: String(revision),
        ...(history !== '' && { [HISTORY_ANNOTATION]: history }),
      },
    };
    const { minReadySeconds } = this.#deployment.spec;
    const spec = { ...desired.spec, ...(minReadySeconds !== undefined && { minReadySeconds }) };
    return this.#tools.cluster.apply<ReplicaSet>({ ...desired, metadata, spec });
  }

  async #number(revision: number): Promise<void> {
    const { metadata } = this.#deployment;
    if (metadata.annotations?.[REVISION_ANNOTATION] === String(revision)) return;
    const annotations = { ...metadata.annotations, [REVISION_ANNOTATION]: String(revision) };
    await this.#tools.cluster.apply({ ...this.#deployment, metadata: { ...metadata, annotations } });
  }

  #annotations(): Readonly<Record<string, string>> {
    const { annotations = {} } = this.#deployment.metadata;
    const { maxTotal } = boundsOf(this.#deployment);
    return {
      ...Object.fromEntries(Object.entries(annotations).filter(([key]) => !NOT_COPIED.has(key))),
      'deployment.kubernetes.io/desired-replicas': String(this.#deployment.spec.replicas ?? 1),
      'deployment.kubernetes.io/max-replicas': String(maxTotal),
    };
  }

  #madeSet(): ReplicaSet {
    const { metadata, spec } = this.#deployment;
    const { template = {}, selector = {} } = spec;
    const hash = { [HASH_LABEL]: this.#hash };
    const labels = { ...template.metadata?.labels, ...hash };
    return {
      ...REPLICA_SET,
      metadata: {
        name: childName(metadata.name, `-${this.#hash}`),
        ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
        labels,
        ownerReferences: [ownerOf(this.#deployment)],
      },
      spec: {
        replicas: 0,
        selector: { ...selector, matchLabels: { ...selector.matchLabels, ...hash } },
        template: { ...template, metadata: { ...template.metadata, labels } },
      },
    };
  }

  async #scale(sets: readonly ReplicaSet[]): Promise<void> {
    const { spec } = this.#deployment;
    const desired = spec.replicas ?? 1;
    const counts = sets.map((set) => this.#countOf(set));
    const step =
      spec.paused === true
        ? pausedStep(counts, desired)
        : spec.strategy?.type === 'Recreate'
          ? recreateStep(counts, desired)
          : rollingStep(counts, desired, boundsOf(this.#deployment));
    for (const set of sets) {
      const replicas = step.get(set.metadata.name) ?? 0;
      const before = set.spec.replicas ?? 0;
      if (replicas === before) continue;
      await this.#tools.cluster.apply<ReplicaSet>({ ...set, spec: { ...set.spec, replicas } });
      const way = `Scaled ${replicas > before ? 'up' : 'down'} replica set ${set.metadata.name}`;
      await this.#recorder.tell(
        this.#deployment,
        normal('ScalingReplicaSet', `${way} from ${before} to ${replicas}`),
      );
    }
  }

  #countOf(set: ReplicaSet): SetCount {
    const { replicas: there = 0, availableReplicas: available = 0 } = set.status ?? {};
    return {
      name: set.metadata.name,
      isNew: this.#isNew(set),
      wanted: set.spec.replicas ?? 0,
      there,
      available,
    };
  }

  /** Beyond what is kept to go back to. */
  async #forgetOld(sets: readonly ReplicaSet[]): Promise<void> {
    const old = sets.filter(
      (set) => !this.#isNew(set) && set.spec.replicas === 0 && (set.status?.replicas ?? 0) === 0,
    );
    const kept = this.#deployment.spec.revisionHistoryLimit ?? 10;
    for (const { metadata } of old.slice(0, Math.max(0, old.length - kept)))
      await this.#tools.cluster.remove(REPLICA_SET, metadata.namespace, metadata.name);
  }

  async #troubleOf(set: ReplicaSet): Promise<string | undefined> {
    const { items } = await this.#tools.cluster.list<Pod>(POD, set.metadata.namespace);
    return items
      .filter((pod) => isOwnedBy(pod, set))
      .map(whyNotReady)
      .find((why) => why !== undefined);
  }
}

/** Tells one template from another, in whatever order their members are written; the label `pod-template-hash`. */
function templateHashOf(deployment: Deployment): string {
  return createHash('sha256')
    .update(JSON.stringify([canonical(deployment.spec.template ?? {}), keyOf(deployment)]))
    .digest('hex')
    .slice(0, HASH_LENGTH);
}

/** `kubectl rollout undo` brings a template back as Go writes it: sorted, and with a time that is null. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null);
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([name, member]) => [name, canonical(member)]);
}

export function revisionOf({ metadata }: ReplicaSet): number {
  return Number(metadata.annotations?.[REVISION_ANNOTATION] ?? 0);
}
