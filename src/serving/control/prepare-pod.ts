import { existsSync, readFileSync } from 'node:fs';
import type { Container, Revision } from '../../apis/serving/types.ts';
import type { VolumeSpec } from '../runtime/volume-spec.ts';
import type { Bundle, PreparedContainer } from './container-plan.ts';
import { resolveEnvironment } from './environment.ts';
import { placementOf, podFilesOf, type MachineFiles, type PodFiles } from './pod-files.ts';
import { resolveVolumes, type VolumeSources } from './volumes.ts';

/** Everything that the containers of an object are made of, as it is now. */
export type PreparedPod = {
  readonly kind: 'ready';
  readonly containers: readonly PreparedContainer[];
  readonly initContainers: readonly PreparedContainer[];
  readonly volumes: readonly VolumeSpec[];
  /** It is to be prepared again by then; undefined: when an object changes. */
  readonly renewAtMs?: number | undefined;
};
export type Preparation = PreparedPod | { readonly kind: 'problem'; readonly message: string };

type Owner = Pick<Revision, 'metadata' | 'spec'>;

export type PodSources = VolumeSources & {
  /** The bundle of a pinned image; undefined when it is not in the local store any more. */
  readonly bundleOf: (imageDigest: string) => Bundle | undefined;
  /** What the image of a container was pinned to. */
  readonly imageOf: (container: Container) => string;
};

/** Resolves images, variables and volumes; or says which of them is not there. */
export async function preparePod(owner: Owner, sources: PodSources): Promise<Preparation> {
  const { containers = [], initContainers = [] } = owner.spec;
  const prepared: PreparedContainer[] = [];
  for (const container of [...initContainers, ...containers]) {
    const one = await prepare(owner, container, sources);
    if ('kind' in one) return one;
    prepared.push(one);
  }
  const volumes = await resolveVolumes(sources, owner);
  if (volumes.kind === 'missing') return { kind: 'problem', message: volumes.reason };
  const files = podFilesOf(owner.spec, machineFiles);
  const all = prepared.map((one) => ofPod(one, owner, files));
  return {
    kind: 'ready',
    initContainers: all.slice(0, initContainers.length),
    containers: all.slice(initContainers.length),
    volumes: [...volumes.volumes, ...files.volumes],
    renewAtMs: volumes.renewAtMs,
  };
}

/** An engine has these files made by itself, and is not given them. */
function ofPod(one: PreparedContainer, { spec }: Owner, { mounts, volumes }: PodFiles): PreparedContainer {
  const isOfEngine = one.bundle.launch.kind === 'container';
  const unhonoured = placementOf(spec);
  if (volumes.length === 0 && unhonoured.length === 0) return one;
  const files = isOfEngine ? mounts.map(({ subPath }) => `the ${subPath} that its Pod asks for`) : [];
  return { ...one, podMounts: isOfEngine ? [] : mounts, podUnhonoured: [...unhonoured, ...files] };
}

function machineFiles(): MachineFiles {
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  return { hosts: read('/etc/hosts'), resolvConf: read('/etc/resolv.conf') };
}

async function prepare(
  owner: Owner,
  container: Container,
  { reader, bundleOf, imageOf }: PodSources,
): Promise<PreparedContainer | Extract<Preparation, { kind: 'problem' }>> {
  const image = imageOf(container);
  const bundle = bundleOf(image);
  if (bundle === undefined)
    return { kind: 'problem', message: `image ${image} is no longer in the local store; push it again` };
  const environment = await resolveEnvironment(reader, owner, container);
  if (environment.kind === 'missing') return { kind: 'problem', message: environment.reason };
  const { env, idEnv } = environment;
  return { container, image, bundle, env, idEnv };
}
