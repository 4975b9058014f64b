import { messageOf } from '../../base/errors.ts';
import type { Fetched } from '../runtime/container/engine-images.ts';
import type { Container, PinnedImage, Revision } from '../../apis/serving/types.ts';

/** Where an image is: the local store. Throws when the reference is no image name. */
export type ResolveImage = (reference: string) => { readonly digest: string } | undefined;

/** The image by what its name means now; or why there is none, and how it comes to be. */
export function pinImage(resolve: ResolveImage, image: string): string | { readonly message: string } {
  try {
    const found = resolve(image);
    if (found !== undefined) return `${image.split('@')[0]}@${found.digest}`;
    return {
      message: `Unable to fetch image "${image}": it is not in the local store; push it with: millrace push ${image} PATH or start a container engine, Docker or podman: it is found by its socket, or named by millrace up --engine unix:///PATH`,
    };
  } catch (error) {
    return { message: `Unable to fetch image "${image}": ${messageOf(error)}` };
  }
}

/** Why a container has no image; the reason is Knative's, or kubelet's of what was pinned by who applied it. */
export type Missing = { readonly reason: 'ContainerMissing' | 'ErrImagePull'; readonly message: string };

/** Asks a container engine for the image of a container that the local store does not have. */
export type FetchOne = (container: Container) => Promise<Fetched>;

/** The same of an engine's image; undefined: it is being fetched (serving pkg/reconciler/revision: resolve.go has the text). */
async function fetchImage(
  fetch: FetchOne,
  container: Container,
): Promise<string | { readonly message: string } | undefined> {
  const { image = '' } = container;
  const failed = `Unable to fetch image "${image}": failed to resolve image to digest:`;
  try {
    const fetched = await fetch(container);
    if (fetched.kind === 'pending') return undefined;
    if (fetched.kind === 'fetched') return fetched.pinned;
    return { message: `${failed} ${fetched.why}` };
  } catch (error) {
    return { message: `${failed} ${messageOf(error)}` };
  }
}

/** What the containers of a revision were pinned to, by their names; undefined before all are. */
export function pinnedImages({ spec, status }: Revision): ReadonlyMap<string, string> | undefined {
  const { containers = [], initContainers = [] } = spec;
  const known = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const pinned = new Map(
    known.flatMap(({ name, imageDigest }) => (imageDigest === undefined ? [] : [[name, imageDigest]])),
  );
  return [...containers, ...initContainers].every(({ name = '' }) => pinned.has(name)) ? pinned : undefined;
}

/**
 * The statuses of containers by what is known of them and what their names mean now; or why one has no image. What the
 * local store has not is fetched, where there is an engine to do that; undefined while it is.
 */
export async function pinContainers(
  resolve: ResolveImage,
  fetch: FetchOne | undefined,
  containers: readonly Container[],
  known: readonly PinnedImage[] = [],
): Promise<readonly PinnedImage[] | Missing | undefined> {
  const pinned: PinnedImage[] = [];
  for (const container of containers) {
    const { name = '', image = '' } = container;
    const found = known.find((each) => each.name === name)?.imageDigest ?? pinImage(resolve, image);
    const imageDigest =
      typeof found === 'string' || fetch === undefined ? found : await fetchImage(fetch, container);
    if (imageDigest === undefined) return undefined;
    if (typeof imageDigest !== 'string')
      return { ...imageDigest, reason: image.includes('@') ? 'ErrImagePull' : 'ContainerMissing' };
    pinned.push({ name, imageDigest });
  }
  return pinned;
}
