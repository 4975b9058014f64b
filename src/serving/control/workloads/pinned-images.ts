import type { PodTemplate } from '../../../apis/core/pod-spec.ts';
import type { Resource } from '../../../apis/resource.ts';
import { pinImage, type ResolveImage } from '../pin-image.ts';

/** What the images of its containers were when it was made, so that a push changes nothing that runs. */
export const IMAGES_ANNOTATION = 'platform.millrace.dev/images';

/** By the image that a template names, so that a template which names another is not taken for this one. */
export function imagesIn({ metadata }: Pick<Resource, 'metadata'>): ReadonlyMap<string, string> {
  const text = metadata.annotations?.[IMAGES_ANNOTATION];
  if (text === undefined) return new Map();
  try {
    const parsed: unknown = JSON.parse(text);
    return new Map(
      Object.entries(Object(parsed)).filter(
        (entry): entry is [string, string] => typeof entry[1] === 'string',
      ),
    );
  } catch {
    return new Map(); // somebody has edited it: then the names say what runs
  }
}

/** The annotation for a template: what is known stays, what is not is what its name means now, once it means something. */
export function pinnedAnnotation(
  { spec = {} }: PodTemplate,
  known: ReadonlyMap<string, string>,
  resolve: ResolveImage,
): Readonly<Record<string, string>> {
  const { containers = [], initContainers = [] } = spec;
  const pinned = [...initContainers, ...containers].flatMap(({ image = '' }) => {
    const digest = known.get(image) ?? pinImage(resolve, image);
    return typeof digest === 'string' ? [[image, digest] as const] : [];
  });
  return pinned.length === 0 ? {} : { [IMAGES_ANNOTATION]: JSON.stringify(Object.fromEntries(pinned)) };
}
