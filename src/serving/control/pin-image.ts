import { messageOf } from '../../base/errors.ts';

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
