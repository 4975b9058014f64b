import type { Container, EnvFrom, EnvVar, KeySelector, Revision } from '../../apis/serving/types.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { expanded } from '../expand.ts';
import { fieldOf, INSTANCE_ID, resourceOf } from './field-ref.ts';
import { absentKey, absentObject, keysOf } from './objects-of.ts';

export type Environment =
  | {
      readonly kind: 'resolved';
      readonly env: Readonly<Record<string, string>>;
      /** Variables that are the name of the instance. */
      readonly idEnv: readonly string[];
    }
  | { readonly kind: 'missing'; readonly reason: string };

type Source = { readonly kind: 'Secret' | 'ConfigMap'; readonly name: string; readonly isOptional: boolean };
type Owner = Pick<Revision, 'metadata' | 'spec'>;
type Value = string | typeof INSTANCE_ID | undefined | Extract<Environment, { kind: 'missing' }>;

/** What no process can have in the name of a variable. */
const UNUSABLE = /[=\0]/;

/**
 * The variables of a container, those from Secrets and ConfigMaps included; or which of them is not there. A value may name
 * those before it, as `$(NAME)`; keys that cannot be a variable's name are left out (Kubernetes).
 */
export async function resolveEnvironment(
  reader: ResourceReader,
  owner: Owner,
  container: Container,
): Promise<Environment> {
  const { env = [], envFrom = [] } = container;
  const namespace = owner.metadata.namespace ?? '';
  const resolved: Record<string, string> = {};
  const idEnv: string[] = [];
  for (const { prefix = '', ...from } of envFrom) {
    const source = sourceOf(from);
    const keys = source && (await keysOf(reader, namespace, source.kind, source.name));
    if (source !== undefined && keys === undefined && !source.isOptional)
      return missing(absentObject(source.kind, namespace, source.name));
    for (const [key, value] of Object.entries(keys ?? {}))
      if (!UNUSABLE.test(prefix + key)) resolved[prefix + key] = value.toString();
  }
  for (const variable of env) {
    const value = await valueOf(reader, owner, container, variable);
    if (typeof value === 'object') return value;
    if (value === INSTANCE_ID) idEnv.push(variable.name);
    else if (value !== undefined)
      resolved[variable.name] = variable.valueFrom === undefined ? expanded(value, resolved) : value;
  }
  return { kind: 'resolved', env: resolved, idEnv };
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
  owner: Owner,
  container: Container,
  { name, value, valueFrom = {} }: EnvVar,
): Promise<Value> {
  const { secretKeyRef, configMapKeyRef, fieldRef, resourceFieldRef } = valueFrom;
  const namespace = owner.metadata.namespace ?? '';
  if (secretKeyRef !== undefined) return keyOf(reader, namespace, 'Secret', secretKeyRef);
  if (configMapKeyRef !== undefined) return keyOf(reader, namespace, 'ConfigMap', configMapKeyRef);
  if (fieldRef !== undefined)
    return (
      fieldOf(owner, fieldRef.fieldPath) ??
      missing(`variable ${name} is of field ${fieldRef.fieldPath}, which no instance has here`)
    );
  if (resourceFieldRef !== undefined)
    return (
      resourceOf(resourceFieldRef, container) ??
      missing(`variable ${name} is of resource ${resourceFieldRef.resource}, which no container has`)
    );
  return value ?? '';
}

async function keyOf(
  reader: ResourceReader,
  namespace: string,
  kind: Source['kind'],
  { name, key, optional = false }: KeySelector,
): Promise<Value> {
  const keys = await keysOf(reader, namespace, kind, name);
  const value = keys?.[key]?.toString();
  return value !== undefined || optional ? value : missing(absentKey(kind, namespace, name, key, keys));
}

const missing = (reason: string): Extract<Environment, { kind: 'missing' }> => ({ kind: 'missing', reason });
