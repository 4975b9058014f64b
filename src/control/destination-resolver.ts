import type { Addressable, Destination } from '../apis/duck.ts';
import type { Resource } from '../apis/resource.ts';
import { isUnknownKind, type ResourceReader } from './resource-client.ts';

export type Resolved =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'missing'; readonly message: string };

type WithAddress = Resource & { readonly status?: { readonly address?: Addressable } };

/**
 * Turns a destination into a URL (knative pkg/resolver/addressable_resolver.go): a v1 Service by its cluster name, any
 * other object by its `status.address.url`, a `uri` beside a `ref` relative to that address, a `uri` alone as it is.
 */
export async function resolveDestination(
  reader: ResourceReader,
  { ref, uri }: Destination,
  namespace: string,
): Promise<Resolved> {
  if (ref === undefined)
    return uri === undefined ? missing('destination has neither ref nor uri') : { kind: 'url', url: uri };
  const { kind, name, apiVersion = '', namespace: ofRef = namespace } = ref;
  const base =
    kind === 'Service' && apiVersion === 'v1'
      ? `http://${name}.${ofRef}.svc.cluster.local`
      : await addressOf(reader, { apiVersion, kind }, ofRef, name);
  if (typeof base !== 'string') return base;
  if (uri === undefined) return { kind: 'url', url: base };
  return URL.canParse(uri, base)
    ? { kind: 'url', url: new URL(uri, base).href }
    : missing(`${uri} is not relative to ${base}`);
}

async function addressOf(
  reader: ResourceReader,
  kind: { apiVersion: string; kind: string },
  namespace: string,
  name: string,
): Promise<string | Resolved> {
  let found: WithAddress | undefined;
  try {
    found = await reader.find<WithAddress>(kind, namespace, name);
  } catch (error) {
    if (!isUnknownKind(error)) throw error;
    return missing(`${kind.apiVersion} has no kind ${kind.kind}`);
  }
  if (found === undefined) return missing(`${kind.kind} ${namespace}/${name} is not found`);
  return found.status?.address?.url ?? missing(`${kind.kind} ${namespace}/${name} has no address yet`);
}

const missing = (message: string): Resolved => ({ kind: 'missing', message });
