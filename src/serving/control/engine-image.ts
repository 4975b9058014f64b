import { parseGoDuration } from '../../base/duration.ts';
import type { Container, Revision } from '../../apis/serving/types.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { parseImageName } from '../images/name.ts';
import type { EngineImages, Fetched, PullPolicy } from '../runtime/container/engine-images.ts';
import type { Bundle } from './container-plan.ts';
import { registryAuth } from './registry-auth.ts';

type Owner = Pick<Revision, 'metadata' | 'spec'>;
type Config = Readonly<Record<string, string>>;

/** Asks a container engine for the image of a container that the local store does not have. */
export type FetchImage = (owner: Owner, container: Container) => Promise<Fetched>;

/** What an image of a container engine is run as. */
export const OF_ENGINE: Bundle = {
  directory: '/',
  launch: { kind: 'container', command: undefined, args: undefined },
};

/** Of ConfigMap config-deployment: registries that are not asked for digests, with what upstream ships. */
const SKIPPING = 'registries-skipping-tag-resolving';
const SKIPPED = 'kind.local,ko.local,dev.local';
const RESOLVE_TIMEOUT = 'digest-resolution-timeout';
const RESOLVE_TIMEOUT_MS = 10_000;
/** kubelet has no such bound; a registry that says nothing for so long is not there. */
const POD_RESOLVE_TIMEOUT_MS = 60_000;
/** What podman calls what has been built on this machine: no registry. */
const LOCAL = 'localhost';

/** Images of a Revision mean what they mean when it is made: registries are asked (serving pkg/reconciler/revision/resolve.go). */
export function fetchForRevision(
  images: EngineImages,
  reader: ResourceReader,
  deployment: () => Config | undefined,
): FetchImage {
  return async (owner, container) => {
    const { image = '' } = container;
    const { [SKIPPING]: skipping = SKIPPED, [RESOLVE_TIMEOUT]: timeout = '' } = deployment() ?? {};
    return images.fetch(image, {
      auth: await registryAuth(reader, owner, image),
      policy: policyOfRevision(container, skipping),
      resolveTimeoutMs: parseGoDuration(timeout) ?? RESOLVE_TIMEOUT_MS,
    });
  };
}

/** Images of a Pod are had as kubelet has them: by its pull policy. */
export function fetchForPod(images: EngineImages, reader: ResourceReader): FetchImage {
  return async (owner, container) => {
    const { image = '', imagePullPolicy = 'IfNotPresent' } = container;
    return images.fetch(image, {
      auth: await registryAuth(reader, owner, image),
      policy: isLocal(image) ? 'Never' : imagePullPolicy,
      resolveTimeoutMs: POD_RESOLVE_TIMEOUT_MS,
    });
  };
}

function policyOfRevision({ image = '', imagePullPolicy }: Container, skipping: string): PullPolicy {
  if (isLocal(image) || imagePullPolicy === 'Never') return 'Never';
  const isSkipped = skipping.split(',').some((each) => each.trim() === registryOf(image));
  return isSkipped || image.includes('@') ? 'IfNotPresent' : (imagePullPolicy ?? 'Always');
}

function isLocal(image: string): boolean {
  return registryOf(image) === LOCAL;
}

function registryOf(image: string): string {
  return parseImageName(image).name.split('/')[0] ?? '';
}
