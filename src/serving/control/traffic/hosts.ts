import type { Visibility } from '../../../apis/networking/ingress/types.ts';
import { localHostsOf } from '../../plan.ts';
import { publicHosts, type Named, type NetworkSettings, type PublicDoor } from '../network-settings.ts';

/** The names of a route, or of one of its tags, and where it is seen. */
export type Hosts = {
  readonly local: readonly string[];
  /** The first is the one that is told; empty when it is not to be seen outside. */
  readonly public: readonly string[];
  /** Inside the cluster, whether it is public or not. */
  readonly localUrl: string;
  /** The name of the Service that stands for it. */
  readonly serviceName: string;
};

/** A domain inside the cluster hides a route as the label does (serving config-domain). */
export function hostsOf(
  { part, visibility, ...named }: Named & { readonly part: string; readonly visibility: Visibility },
  settings: NetworkSettings,
  door: PublicDoor,
): Hosts {
  const { namespace } = named;
  const outside = publicHosts(part, named, settings, door);
  const isPublic = visibility === 'ExternalIP' && !outside[0].endsWith('.svc.cluster.local');
  return {
    local: localHostsOf(namespace, part),
    public: isPublic ? outside : [],
    localUrl: `http://${part}.${namespace}.svc.cluster.local`,
    serviceName: part,
  };
}

const LABEL_MAX = 63; // of a name in DNS
const HOST_MAX = 253;
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;

/** Why a name cannot be one of DNS, as what a template makes of long names, or of what stands in a label, may be. */
export function hostFault({ local, public: outside }: Hosts): string | undefined {
  for (const host of [...outside, ...local.slice(0, 1)]) {
    if (host.length > HOST_MAX) return faultIn(host, host, `must be no more than ${HOST_MAX} characters`);
    const labels = host.split('.');
    const long = labels.find((label) => label.length > LABEL_MAX);
    if (long !== undefined) return faultIn(host, long, `must be no more than ${LABEL_MAX} characters`);
    const odd = labels.find((label) => !LABEL.test(label));
    if (odd !== undefined) return faultIn(host, odd, 'a lowercase RFC 1123 label is expected');
  }
  return undefined;
}

function faultIn(host: string, part: string, why: string): string {
  return `invalid domain name "${host}": url: Invalid value: "${part}": ${why}`;
}
