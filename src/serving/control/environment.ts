import type { Container, EnvFrom, EnvVar, KeySelector } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

export type Environment =
  | { readonly kind: 'resolved'; readonly env: Readonly<Record<string, string>> }
  | { readonly kind: 'missing'; readonly reason: string };

type Source = { readonly kind: 'Secret' | 'ConfigMap'; readonly name: string; readonly isOptional: boolean };
type Data = Resource & { readonly data?: Readonly<Record<string, string>> };

/** The variables of a container, those from Secrets and ConfigMaps included; or which of them is not there. */
export async function resolveEnvironment(
  reader: ResourceReader,
  namespace: string,
  { env = [], envFrom = [] }: Container,
): Promise<Environment> {
  const resolved: Record<string, string> = {};
  for (const { prefix = '', ...from } of envFrom) {
    const source = sourceOf(from);
    const data = source && (await dataOf(reader, namespace, source));
    if (source !== undefined && data === undefined && !source.isOptional)
      return missing(`${source.kind} ${namespace}/${source.name} is not there`);
    for (const [key, value] of Object.entries(data ?? {})) resolved[prefix + key] = value;
  }
  for (const variable of env) {
    const value = await valueOf(reader, namespace, variable);
    if (typeof value === 'object') return value;
    if (value !== undefined) resolved[variable.name] = value;
  }
  return { kind: 'resolved', env: resolved };
}

function sourceOf({ secretRef, configMapRef }: EnvFrom): Source | undefined {
  if (secretRef !== undefined)
    return { kind: 'Secret', name: secretRef.name, isOptional: secretRef.optional ?? false };
  return (
    configMapRef && { kind: 'ConfigMap', name: configMapRef.name, isOptional: configMapRef.optional ?? false }
  );
}

async function valueOf(
  reader: ResourceReader,
  namespace: string,
  { value, valueFrom = {} }: EnvVar,
): Promise<string | undefined | Environment> {
  const { secretKeyRef, configMapKeyRef } = valueFrom;
  if (secretKeyRef !== undefined) return keyOf(reader, namespace, 'Secret', secretKeyRef);
  if (configMapKeyRef !== undefined) return keyOf(reader, namespace, 'ConfigMap', configMapKeyRef);
  return value ?? '';
}

async function keyOf(
  reader: ResourceReader,
  namespace: string,
  kind: Source['kind'],
  { name, key, optional = false }: KeySelector,
): Promise<string | undefined | Environment> {
  const data = await dataOf(reader, namespace, { kind, name, isOptional: optional });
  const value = data?.[key];
  return value !== undefined || optional
    ? value
    : missing(`key ${key} of ${kind} ${namespace}/${name} is not there`);
}

async function dataOf(
  reader: ResourceReader,
  namespace: string,
  { kind, name }: Source,
): Promise<Readonly<Record<string, string>> | undefined> {
  const found = await reader.find<Data>({ apiVersion: 'v1', kind }, namespace, name);
  if (found === undefined || kind === 'ConfigMap') return found?.data ?? (found && {});
  return Object.fromEntries(
    Object.entries(found.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

const missing = (reason: string): Environment => ({ kind: 'missing', reason });
