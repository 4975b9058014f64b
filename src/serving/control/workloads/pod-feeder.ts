import { networkOf } from '../../../apis/serving/own-network.ts';
import { LABELS } from '../../../apis/serving/shared.ts';
import type { Container } from '../../../apis/serving/types.ts';
import { POD, SELF_LABEL, type Pod } from '../../../apis/core/pod.ts';
import { keyOf, type Resource } from '../../../apis/resource.ts';
import type { RunningPods } from '../../pods/running-pods.ts';
import type { PodPlan, PodStanding } from '../../pods/pod-life.ts';
import type { ContainerSpec } from '../../runtime/container-spec.ts';
import type { InstanceSpec } from '../../runtime/runtime.ts';
import { containerSpec, servingPortOf, type Bundle } from '../container-plan.ts';
import type { FetchImage } from '../engine-image.ts';
import type { ResolveImage } from '../pin-image.ts';
import { idleAnnotations, ownStartOf } from '../own-start.ts';
import { againAfter, type AccountTokens } from '../account-tokens.ts';
import { preparePod, type PreparedPod } from '../prepare-pod.ts';
import { startLoop, type Loop, type LoopTools, type Passed } from './loop.ts';
import { PodImages } from './pod-images.ts';
import { isOver, mainContainerOf, podStatusOf, type PodProblem } from './pod-status.ts';

export type PodFeederOptions = LoopTools & {
  readonly pods: RunningPods;
  readonly resolveImage: ResolveImage;
  readonly fetchImage?: FetchImage | undefined;
  readonly bundleOf: (imageDigest: string) => Bundle | undefined;
  /** Absent: no volume holds a token. */
  readonly tokens?: AccountTokens | undefined;
};

type Prepared = { readonly pod: PreparedPod } | { readonly problem: PodProblem | undefined };

const LOOK_AGAIN_MS = 10_000;
const START_MS = 600_000;
const GRACE_S = 30;

/** Runs Pods, whoever has made them, and writes what becomes of them into their status; those of Revisions are the activator's. */
export class PodFeeder {
  readonly #options: PodFeederOptions;
  /** Which Pod of a name runs, and what of a former one is still on its way out. */
  readonly #uids = new Map<string, string>();
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #waiting = new Set<string>();
  readonly #images: PodImages;
  #loop: Loop | undefined;

  constructor(options: PodFeederOptions) {
    this.#options = options;
    this.#images = new PodImages(options);
  }

  start(): void {
    const { pods, informers } = this.#options;
    const users = ({ metadata: { namespace, name } }: Resource): readonly string[] =>
      informers
        .of(POD)
        .all()
        .filter((pod) => pod.metadata.namespace === namespace && names(pod, name))
        .map(keyOf);
    const watches = ['ConfigMap', 'Secret'].map((kind) => ({
      kind: { apiVersion: 'v1', kind },
      concerns: users,
    }));
    const pass = (pod: Pod): Promise<Passed> => this.#pass(pod);
    const loop = startLoop<Pod>(this.#options, POD, watches, pass, (key) => this.#remove(key));
    pods.onChange((key) => loop.enqueue(key));
    this.#loop = loop;
  }

  /** An image has come: Pods that wait for one are looked at again. */
  imagePushed(): void {
    for (const key of this.#waiting) this.#loop?.enqueue(key);
  }

  async close(): Promise<void> {
    await this.#loop?.close();
  }

  async #pass(pod: Pod): Promise<Passed> {
    if (!isOurs(pod) || isOver(pod)) return {};
    const { pods, clock } = this.#options;
    const key = keyOf(pod);
    const uid = pod.metadata.uid ?? '';
    if (this.#uids.has(key) && this.#uids.get(key) !== uid) this.#remove(key);
    await this.#leaving.get(key);
    const { images, missing, againAfterMs } = await this.#images.of(pod);
    const known = pods.lifeOf(key)?.standing;
    if (known?.result === undefined && known === undefined && wasCutOff(pod)) return { status: cutOff(pod) };
    const prepared = missing ? { problem: missing.problem } : await this.#prepare(pod, images);
    const plan = 'pod' in prepared ? planOf(pod, prepared.pod, known) : undefined;
    if (plan !== undefined) {
      this.#uids.set(key, uid);
      pods.run(plan);
    }
    const problem = 'problem' in prepared ? prepared.problem : undefined;
    if ('pod' in prepared) this.#waiting.delete(key);
    else this.#waiting.add(key);
    const standing = pods.lifeOf(key)?.standing;
    const ignored = plan === undefined ? [] : this.#ignoredOf(pod, plan.instance);
    const renewal =
      'pod' in prepared ? againAfter(prepared.pod.renewAtMs, clock.nowMs())?.againAfterMs : undefined;
    const facts = { standing, problem, images, ignored, nowMs: clock.nowMs() };
    return {
      status: podStatusOf(pod, facts),
      againAfterMs: againAfterMs ?? (problem === undefined ? renewal : LOOK_AGAIN_MS),
    };
  }

  #remove(key: string): void {
    this.#uids.delete(key);
    this.#waiting.delete(key);
    this.#images.forget(key);
    if (this.#options.pods.lifeOf(key) === undefined) return;
    const leaving = this.#options.pods.remove(key).finally(() => {
      if (this.#leaving.get(key) === leaving) this.#leaving.delete(key);
    });
    this.#leaving.set(key, leaving);
  }

  #ignoredOf({ metadata: { annotations = {} } }: Pod, instance: InstanceSpec): readonly string[] {
    const all = [...instance.initContainers, ...instance.containers];
    return [
      ...this.#options.pods
        .unmet(instance)
        .filter(({ kind }) => kind === 'ignored')
        .map(({ message }) => message),
      ...all.flatMap((container) => idleAnnotations(annotations, container)),
    ];
  }

  async #prepare(pod: Pod, images: ReadonlyMap<string, string>): Promise<Prepared> {
    const { cluster: reader, bundleOf, tokens } = this.#options;
    const imageOf = ({ name = '' }: Container): string => images.get(name) ?? '';
    const prepared = await preparePod(
      { metadata: pod.metadata, spec: pod.spec ?? {} },
      { reader, bundleOf, imageOf, tokens },
    );
    return prepared.kind === 'ready'
      ? { pod: prepared }
      : { problem: { reason: 'CreateContainerConfigError', message: prepared.message } };
  }
}

function planOf(pod: Pod, prepared: PreparedPod, known: PodStanding | undefined): PodPlan {
  const { namespace = '', name, ownerReferences = [], annotations = {} } = pod.metadata;
  const { spec = {} } = pod;
  const started = (container: ContainerSpec): ContainerSpec => ({
    ...container,
    ownStart: ownStartOf(annotations, container),
  });
  const { containers = [], restartPolicy = 'Always', terminationGracePeriodSeconds = GRACE_S } = spec;
  const main = mainContainerOf(pod);
  const place = { servingPort: servingPortOf([main]), podSecurity: spec.securityContext };
  const hasPorts = (main.ports ?? []).some(({ protocol = 'TCP' }) => protocol === 'TCP');
  return {
    key: keyOf(pod),
    instance: {
      namespace,
      revision: ownerReferences[0]?.name ?? name,
      service: undefined,
      configuration: undefined,
      // One that says where it listens is ready once it does, as a Revision's is.
      containers: prepared.containers.map((each, i) =>
        started(containerSpec(each, { ...place, isServing: hasPorts && containers[i]?.name === main.name })),
      ),
      initContainers: prepared.initContainers.map((each) =>
        started(containerSpec(each, { ...place, isServing: false })),
      ),
      volumes: prepared.volumes,
      network: networkOf(annotations) ?? (spec.hostNetwork === true ? 'host' : undefined),
      readyTimeoutMs: START_MS,
    },
    restartPolicy,
    graceMs: terminationGracePeriodSeconds * 1000,
    deadlineMs: spec.activeDeadlineSeconds === undefined ? undefined : spec.activeDeadlineSeconds * 1000,
    restartsBefore: known?.restarts ?? restartsBefore(pod),
  };
}

/** A Pod that ran when the platform stopped starts again, which is a restart. */
function restartsBefore(pod: Pod): number {
  const status = pod.status?.containerStatuses?.find(({ name }) => name === mainContainerOf(pod).name);
  if (status === undefined) return 0;
  return status.restartCount + ('waiting' in status.state ? 0 : 1);
}

/** It ran when the platform stopped, and is not to be started again. */
function wasCutOff({ spec, status }: Pod): boolean {
  return (
    spec?.restartPolicy === 'Never' &&
    (status?.containerStatuses ?? []).some(({ state }) => !('waiting' in state))
  );
}

function cutOff(pod: Pod): object {
  const message = 'the platform stopped while it ran';
  const at = pod.status?.startTime;
  const terminated = { exitCode: 137, reason: 'Error', message, startedAt: at, finishedAt: at };
  const { conditions = [], containerStatuses = [] } = pod.status ?? {};
  return {
    ...pod.status,
    phase: 'Failed',
    reason: 'NodeShutdown',
    message,
    conditions: conditions.map((each) =>
      each.type === 'Ready' || each.type === 'ContainersReady' ? { ...each, status: 'False' } : each,
    ),
    containerStatuses: containerStatuses.map((each) => ({
      ...each,
      ready: false,
      started: false,
      state: { terminated },
    })),
  };
}

function isOurs({ metadata: { labels = {} }, spec }: Pod): boolean {
  return (
    labels[LABELS.revision] === undefined &&
    labels[SELF_LABEL] === undefined &&
    (spec?.containers ?? []).length > 0
  );
}

/** Whether what a Pod runs with comes from an object of that name. */
function names(pod: Resource, name: string): boolean {
  return JSON.stringify(Reflect.get(pod, 'spec') ?? {}).includes(`"${name}"`);
}
