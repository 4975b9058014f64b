import { NODE_NAME } from '../../apis/core/node.ts';
import { quantityOf } from '../../apis/quantity.ts';
import type { Container, ResourceFieldRef, Revision } from '../../apis/serving/types.ts';

/** The name of the instance: known only when it is started. */
export const INSTANCE_ID = Symbol('instance id');

/** What a field of the Pod is (core/v1 ObjectFieldSelector); undefined: none that is known here. */
export function fieldOf(
  { metadata, spec }: Pick<Revision, 'metadata' | 'spec'>,
  fieldPath: string,
): string | typeof INSTANCE_ID | undefined {
  const [, what, key] = /^metadata\.(labels|annotations)\['(.*)'\]$/.exec(fieldPath) ?? [];
  if (what !== undefined && key !== undefined) return metadata[what as 'labels' | 'annotations']?.[key] ?? '';
  switch (fieldPath) {
    case 'metadata.name':
      return INSTANCE_ID;
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.labels':
      return lines(metadata.labels);
    case 'metadata.annotations':
      return lines(metadata.annotations);
    case 'metadata.uid':
      return metadata.uid ?? ''; // the Pod's own is known to nobody but its reader
    case 'spec.serviceAccountName':
      return spec.serviceAccountName || 'default';
    case 'spec.nodeName':
      return NODE_NAME;
    case 'status.podIP':
    case 'status.hostIP':
    case 'status.podIPs':
    case 'status.hostIPs':
      return '127.0.0.1';
    default:
      return undefined;
  }
}

/** A limit or request of a container in units of the divisor; undefined: none that is known here. */
export function resourceOf(
  { resource, divisor }: ResourceFieldRef,
  { resources = {} }: Container,
): string | undefined {
  const [, part, name] = /^(limits|requests)\.(cpu|memory|ephemeral-storage)$/.exec(resource) ?? [];
  if (part === undefined || name === undefined) return undefined;
  const amount = quantityOf(resources[part as 'limits' | 'requests']?.[name]) ?? 0;
  const unit = quantityOf(divisor === '0' ? 1 : (divisor ?? 1)) || 1;
  return String(Math.ceil(amount / unit));
}

const lines = (values: Readonly<Record<string, string>> = {}): string =>
  Object.entries(values)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');
