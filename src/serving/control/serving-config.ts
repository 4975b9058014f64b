import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };

type ConfigMap = Resource & { readonly data?: Readonly<Record<string, string>> };

/** The data of a ConfigMap in knative-serving as it is now: read, and not remembered, so that a restart decides alike. */
export async function servingConfig(
  reader: ResourceReader,
  name: string,
): Promise<Readonly<Record<string, string>>> {
  const found = await reader.find<ConfigMap>(CONFIG_MAP, 'knative-serving', name);
  return found?.data ?? {};
}
