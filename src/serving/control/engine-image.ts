import { parseImageName } from '../images/name.ts';
import type { Bundle } from './container-plan.ts';

/** What an image of a container engine is run as. */
export const OF_ENGINE: Bundle = {
  directory: '/',
  launch: { kind: 'container', command: undefined, args: undefined },
};

/** Of ConfigMap config-deployment: registries that are not asked for digests, with what upstream ships. */
export const SKIPPING = 'registries-skipping-tag-resolving';
const SKIPPED = 'kind.local,ko.local,dev.local';
/** What podman calls what has been built on this machine. */
const LOCAL = 'localhost';

/** Whether an image is what the engine has by that name, whatever any registry says. */
export function isSkipped(image: string, skipping: string = SKIPPED): boolean {
  const registry = parseImageName(image).name.split('/')[0] ?? '';
  return registry === LOCAL || skipping.split(',').some((each) => each.trim() === registry);
}
