import { messageOf } from '../../base/errors.ts';
import type { Container, PinnedImage, Revision } from '../../apis/serving/types.ts';

/** Where an image is: the local store. Throws when the reference is no image name. */
export type ResolveImage = (reference: string) => { readonly digest: string } | undefined;

/** The image by what its name means now; or why there is none, and how it comes to be. */
export function pinImage(resolve: ResolveImage, image: string): string | { readonly message: string } {
  try {
    const found = resolve(image);
    if (found !== undefined) return `${image.split('@')[0]}@${found.digest}`;
    return {
      message: `Unable to fetch image "${image}": it is not in the local store; push it with: millrace push ${image} PATH (containers from registries come with a later version of Millrace)`,
    };
  } catch (error) {
    return { message: `Unable to fetch image "${image}": ${messageOf(error)}` };
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

/** The statuses of containers by what is known of them and what their names mean now; or why one has no image. */
export function pinContainers(
  resolve: ResolveImage,
  containers: readonly Container[],
  known: readonly PinnedImage[] = [],
): readonly PinnedImage[] | { readonly message: string } {
  const pinned: PinnedImage[] = [];
  for (const { name = '', image = '' } of containers) {
    const imageDigest = known.find((each) => each.name === name)?.imageDigest ?? pinImage(resolve, image);
    if (typeof imageDigest !== 'string') return imageDigest;
    pinned.push({ name, imageDigest });
  }
  return pinned;
}
