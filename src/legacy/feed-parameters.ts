import type { Trigger } from '../apis/legacy/feeds/trigger.ts';
import type { Resource } from '../apis/resource.ts';
import type { ResourceReader } from '../control/resource-client.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
type Secret = Resource & { readonly data?: Readonly<Record<string, string>> };

export type Parameters =
  | { readonly kind: 'parameters'; readonly values: Readonly<Record<string, unknown>> }
  | { readonly kind: 'missing'; readonly reason: string; readonly message: string };

/**
 * What a feedlet was told in 2018: the parameters, and over them the JSON objects in the Secrets of `parametersFrom`.
 * Where only `secretName` and `secretKey` say the Secret, that one is read.
 */
export async function parametersOf(
  reader: ResourceReader,
  { parameters = {}, parametersFrom = [] }: Trigger,
  namespace: string,
): Promise<Parameters> {
  const { secretName, secretKey } = parameters;
  const named = parametersFrom.map(({ secretKeyRef = {} }) => secretKeyRef);
  const keys =
    named.length === 0 && typeof secretName === 'string' && typeof secretKey === 'string'
      ? [{ name: secretName, key: secretKey }]
      : named;
  let values: Readonly<Record<string, unknown>> = parameters;
  for (const { name = '', key = '' } of keys) {
    const secret = await reader.find<Secret>(SECRET, namespace, name);
    const title = `Secret ${namespace}/${name}`;
    if (secret === undefined) return missing('SecretNotFound', `${title} is not there`);
    const value = secret.data?.[key];
    if (value === undefined) return missing('SecretNotFound', `${title} has no key ${key}`);
    const object = jsonObject(Buffer.from(value, 'base64').toString());
    if (object === undefined)
      return missing('SecretUnreadable', `${title}: the value of ${key} is no JSON object`); // and is not shown (L5)
    values = { ...values, ...object };
  }
  return { kind: 'parameters', values };
}

const missing = (reason: string, message: string): Parameters => ({ kind: 'missing', reason, message });

function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
