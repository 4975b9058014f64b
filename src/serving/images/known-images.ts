import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { BundleFile } from './bundle.ts';
import type { ImageLaunch } from './launch.ts';
import { withJavaScript } from './strip-types.ts';

/** An image of ours that does as one that Knative's documentation names. */
export type KnownImage = { readonly files: readonly BundleFile[]; readonly launch: ImageLaunch };

const RELEASES = [
  'gcr.io/knative-releases/knative.dev/eventing/cmd/',
  'gcr.io/knative-nightly/knative.dev/eventing/cmd/', // the pages on ContainerSource and SinkBinding
  'gcr.io/knative-releases/knative.dev/eventing-contrib/cmd/',
  'gcr.io/knative-releases/github.com/knative/eventing-contrib/cmd/',
  'gcr.io/knative-releases/github.com/knative/eventing-sources/cmd/',
  'ghcr.io/knative/',
];
const SAMPLES = ['ghcr.io/knative/', 'gcr.io/knative-samples/'];

const SOURCES: Readonly<
  Record<string, { readonly kind: ImageLaunch['kind']; readonly names: readonly string[] }>
> = {
  'event-display': { kind: 'function', names: RELEASES.map((place) => `${place}event_display`) },
  appender: { kind: 'function', names: RELEASES.map((place) => `${place}appender`) },
  heartbeats: { kind: 'program', names: RELEASES.map((place) => `${place}heartbeats`) },
  'helloworld-go': { kind: 'function', names: SAMPLES.map((place) => `${place}helloworld-go`) },
  'helloworld-nodejs': { kind: 'function', names: SAMPLES.map((place) => `${place}helloworld-nodejs`) },
};
const BY_NAME = new Map(
  Object.entries(SOURCES).flatMap(([source, { names }]) => names.map((name) => [name, source])),
);

/** With the tag that a name without one means. */
export const KNOWN_NAMES: readonly string[] = [...BY_NAME.keys()].map((name) => `${name}:latest`);

/** By a name as Docker has it, whatever its tag; undefined: none of ours. */
export function knownImage(name: string): KnownImage | undefined {
  const source = BY_NAME.get(name.replace(/:[^:/]*$/, ''));
  const kind = source === undefined ? undefined : SOURCES[source]?.kind;
  if (source === undefined || kind === undefined) return undefined;
  const [files, javaScript] = withJavaScript([fileOf(source)]);
  const entry = javaScript.get('index.ts') ?? 'index.mjs';
  const launch: ImageLaunch = kind === 'function' ? { kind, entry } : { kind, command: ['node', entry] };
  return { files, launch };
}

/** In TypeScript in a checkout, as JavaScript in what is installed. */
function fileOf(source: string): BundleFile {
  const written = fileURLToPath(new URL(`./known/${source}.ts`, import.meta.url));
  const isWritten = existsSync(written);
  const content = readFileSync(isWritten ? written : written.replace(/\.ts$/, '.js'));
  return { kind: 'file', path: isWritten ? 'index.ts' : 'index.mjs', isExecutable: false, content };
}
