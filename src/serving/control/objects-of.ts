import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

type Stored = Resource & {
  readonly data?: Readonly<Record<string, string>>;
  readonly binaryData?: Readonly<Record<string, string>>;
};

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
