import type { Visibility } from '../../../apis/networking/ingress/types.ts';
import { localHostsOf, publicHostOf, taggedName } from '../../plan.ts';

export type HostSettings = {
  /** The public URL of a service by its host-name part: scheme, domain and port are the platform's. */
  readonly urlOf: (namespace: string, part: string) => string;
  readonly domain: string;
};

/** The names of a route, or of one of its tags, and where it is said to be. */
export type Hosts = {
  readonly local: readonly string[];
  readonly public: readonly string[]; // empty when it is not to be seen outside
  readonly url: string;
  /** Inside the cluster, whether it is public or not. */
  readonly localUrl: string;
  /** The name of the Service that stands for it. */
  readonly serviceName: string;
};

export function hostsOf(
  {
    namespace,
    name,
    tag,
    visibility,
  }: {
    readonly namespace: string;
    readonly name: string;
    readonly tag: string;
    readonly visibility: Visibility;
  },
  { urlOf, domain }: HostSettings,
): Hosts {
  const part = taggedName(name, tag === '' ? undefined : tag);
  const localUrl = `http://${part}.${namespace}.svc.cluster.local`;
  const isPublic = visibility === 'ExternalIP';
  const url = isPublic ? urlOf(namespace, part) : localUrl;
  const outside = [publicHostOf(namespace, part, domain), new URL(url).hostname];
  return {
    local: localHostsOf(namespace, part),
    public: isPublic ? [...new Set(outside)] : [],
    url,
    localUrl,
    serviceName: part,
  };
}
