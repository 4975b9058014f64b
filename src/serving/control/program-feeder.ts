import type { Clock } from '../../base/clock.ts';
import { keyOf, type Resource } from '../../apis/resource.ts';
import { KINDS } from '../../apis/serving/types.ts';
import type { Informers } from '../../control/informer.ts';
import { isOwnedBy } from '../../control/owned.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { WorkQueue } from '../../control/work-queue.ts';
import type { Programs } from '../programs/programs.ts';
import { pinImage, type ResolveImage } from './pin-image.ts';
import type { Bundle } from './container-plan.ts';
import { preparePod, type PreparedPod } from './prepare-pod.ts';
import { programPod, programPodStatus, programStatus } from './program-objects.ts';
import { isProgram, planProgram, templateHashOf, type Deployment } from './program-plan.ts';

export type ProgramFeederOptions = {
  readonly cluster: ResourceClient;
  readonly informers: Informers;
  readonly programs: Programs;
  readonly clock: Clock;
  readonly random: () => number;
  readonly resolveImage: ResolveImage;
  /** The bundle of a pinned image; undefined when it is not in the local store any more. */
  readonly bundleOf: (imageDigest: string) => Bundle | undefined;
};

type Prepared =
  | {
      readonly kind: 'ready';
      readonly imageDigest: string;
      readonly pod: PreparedPod;
    }
  | { readonly kind: 'problem'; readonly message: string; readonly imageDigest?: string };

const LOOK_AGAIN_MS = 10_000;

/**
 * Runs the Deployments of programs: hands the data plane their plans, and writes what becomes of them into their Pods and
 * their status. An image is pinned when the template changes, so a push changes nothing that runs.
 */
export class ProgramFeeder {
  readonly #options: ProgramFeederOptions;
  readonly #queue: WorkQueue;

  constructor(options: ProgramFeederOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#queue = new WorkQueue({ clock, random, concurrency: 4, work: (key) => this.#feed(key) });
  }

  async start(): Promise<void> {
    const { informers, programs } = this.#options;
    await this.#clear();
    programs.follow((key) => this.#queue.add(key));
    const deployments = informers.of(KINDS.deployment);
    deployments.onChange((object) => {
      if (isProgram(object)) this.#queue.add(keyOf(object));
    });
    for (const kind of ['ConfigMap', 'Secret']) {
      informers.of({ apiVersion: 'v1', kind }).onChange(({ metadata: { namespace, name } }) => {
        for (const object of deployments.all())
          if (isProgram(object) && object.metadata.namespace === namespace && names(object, name))
            this.#queue.add(keyOf(object));
      });
    }
    informers.of(KINDS.pod).onChange(({ metadata: { namespace, name, ownerReferences = [] } }, type) => {
      const owner = ownerReferences.find(({ kind }) => kind === 'Deployment');
      if (type === 'DELETED' && owner !== undefined) programs.replace(`${namespace}/${owner.name}`, name);
    });
  }

  /** An image has come: programs that wait for one are looked at again. */
  imagePushed(): void {
    for (const object of this.#options.informers.of(KINDS.deployment).all())
      if (isProgram(object)) this.#queue.add(keyOf(object));
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #feed(key: string): Promise<{ readonly againAfterMs: number } | undefined> {
    const { cluster, programs } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const deployment = await cluster.find<Deployment>(KINDS.deployment, namespace, name);
    if (
      deployment === undefined ||
      deployment.metadata.deletionTimestamp !== undefined ||
      !isProgram(deployment)
    ) {
      await programs.remove(key);
      await this.#removePods(namespace, name);
      return undefined;
    }
    const generation = templateHashOf(deployment);
    const prepared = await this.#prepare(deployment, generation);
    if (prepared.kind === 'ready') programs.set(planProgram(deployment, prepared.pod));
    await this.#writePods(deployment);
    const problem = prepared.kind === 'problem' ? prepared.message : undefined;
    const { imageDigest } = prepared;
    const pinned = imageDigest === undefined ? {} : { templateHash: generation, imageDigest };
    const status = { ...programStatus(deployment, programs.standingOf(key), generation, problem), ...pinned };
    await cluster.patchStatus({ ...deployment, status });
    return problem === undefined ? undefined : { againAfterMs: LOOK_AGAIN_MS };
  }

  async #prepare(deployment: Deployment, generation: string): Promise<Prepared> {
    const { cluster, resolveImage, bundleOf } = this.#options;
    const { status, metadata } = deployment;
    const container = deployment.spec?.template?.spec?.containers?.[0] ?? {};
    const known = status?.templateHash === generation ? status.imageDigest : undefined;
    const imageDigest = known ?? pinImage(resolveImage, container.image ?? '');
    if (typeof imageDigest !== 'string') return { kind: 'problem', message: imageDigest.message };
    const volumes = deployment.spec?.template?.spec?.volumes;
    const pod = await preparePod(
      { metadata, spec: { containers: [container], ...(volumes !== undefined && { volumes }) } },
      { reader: cluster, bundleOf, imageOf: () => imageDigest },
    );
    return pod.kind === 'problem' ? { ...pod, imageDigest } : { kind: 'ready', imageDigest, pod };
  }

  async #writePods(deployment: Deployment): Promise<void> {
    const { cluster, programs } = this.#options;
    const { namespace } = deployment.metadata;
    const standing = programs.standingOf(keyOf(deployment));
    for (const each of standing) {
      if (each.state === 'stopping') continue; // whoever deleted its Pod is not to see it come back
      const pod = await cluster.apply(programPod(deployment, each));
      await cluster.patchStatus({ ...pod, status: programPodStatus(deployment, each) });
    }
    const { items } = await cluster.list(KINDS.pod, namespace);
    for (const pod of items)
      if (isOwnedBy(pod, deployment) && !standing.some(({ id }) => id === pod.metadata.name))
        await cluster.remove(KINDS.pod, namespace, pod.metadata.name);
  }

  async #removePods(namespace: string, deployment: string): Promise<void> {
    const { cluster } = this.#options;
    const { items } = await cluster.list(KINDS.pod, namespace);
    for (const pod of items)
      if (isPodOf(pod, deployment)) await cluster.remove(KINDS.pod, namespace, pod.metadata.name);
  }

  /** Removes Pods that a former run left; none of their instances can be running. */
  async #clear(): Promise<void> {
    const { cluster } = this.#options;
    const { items } = await cluster.list(KINDS.pod);
    for (const pod of items)
      if (isPodOf(pod, undefined)) await cluster.remove(KINDS.pod, pod.metadata.namespace, pod.metadata.name);
  }
}

function isPodOf({ metadata }: Resource, deployment: string | undefined): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ kind, name }) => kind === 'Deployment' && (deployment === undefined || name === deployment),
  );
}

/** Whether a program's variables come from an object of that name. */
function names(deployment: Resource, name: string): boolean {
  return JSON.stringify(Reflect.get(deployment, 'spec')).includes(`"name":${JSON.stringify(name)}`);
}
