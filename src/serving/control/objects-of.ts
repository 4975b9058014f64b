import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

type Stored = Resource & {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
};

type Kind = 'Secret' | 'ConfigMap';

/** So many keys of an object are named where another is looked for. */
const NAMED_MAX = 10;

/** Of an object that is to be there, in words: what to do about it. Whoever waits for it looks again by itself. */
export function absentObject(kind: Kind, namespace: string, name: string): string {
  return `${kind} ${namespace}/${name} is not there; make it with: ${making(kind, namespace, name, 'KEY')}`;
}

/** Of a key; `keys` are those that the object has, undefined when that is not there. */
export function absentKey(
  kind: Kind,
  namespace: string,
  name: string,
  key: string,
  keys: Readonly<Record<string, unknown>> | undefined,
): string {
  const absent = `key ${key} of ${kind} ${namespace}/${name} is not there`;
  if (keys === undefined)
    return `${absent}: there is no such ${kind}; make it with: ${making(kind, namespace, name, key)}`;
  const named = Object.keys(keys)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .slice(0, NAMED_MAX);
  return `${absent}: it has ${named.length === 0 ? 'no keys' : named.join(', ')}; add the key to it, or name another`;
}

function making(kind: Kind, namespace: string, name: string, key: string): string {
  const what = kind === 'Secret' ? 'secret generic' : 'configmap';
  return `kubectl create ${what} ${name} -n ${namespace} --from-literal=${key}=VALUE`;
}

/** The keys of a Secret or ConfigMap as bytes; undefined when it is not there. */
export async function keysOf(
  reader: ResourceReader,
  namespace: string,
  kind: 'Secret' | 'ConfigMap',
  name: string,
): Promise<Readonly<Record<string, Buffer>> | undefined> {
  const found = await reader.find<Stored>({ apiVersion: 'v1', kind }, namespace, name);
  if (found === undefined) return undefined;
  const { data = {}, binaryData = {} } = found;
  const decoded = (values: Readonly<Record<string, string>>, how: 'base64' | 'utf8'): [string, Buffer][] =>
    Object.entries(values).map(([key, value]) => [key, Buffer.from(value, how)]);
  return Object.fromEntries([
    ...decoded(data, kind === 'Secret' ? 'base64' : 'utf8'),
    ...decoded(binaryData, 'base64'),
  ]);
}
