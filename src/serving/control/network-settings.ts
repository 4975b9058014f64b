import { domainConfig, domainFor, type DomainConfig } from '../../apis/networking/domain-config.ts';
import { renderTemplate } from '../../apis/networking/host-template.ts';
import { networkConfig, type NetworkConfig } from '../../apis/networking/network-config.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { servingConfig } from './serving-config.ts';

/** ConfigMaps config-network and config-domain as they are now. */
export type NetworkSettings = { readonly network: NetworkConfig; readonly domains: DomainConfig };

export async function networkSettings(reader: ResourceReader): Promise<NetworkSettings> {
  return {
    network: networkConfig(await servingConfig(reader, 'config-network')),
    domains: domainConfig(await servingConfig(reader, 'config-domain')),
  };
}

/** How public names are reached: by the gateway's own ports, or as `--public-url` says. */
export type PublicDoor = {
  readonly publicUrl: URL | undefined;
  /** `--domain`, without port: where config-domain has none for a Route. */
  readonly domain: string;
  readonly httpPort: number;
  /** Of the gateway's TLS listener; undefined: it has none. */
  readonly httpsPort: number | undefined;
  /** Whether something in front is believed that it has taken TLS off (`--trusted-proxies`). */
  readonly hasTrustedProxies: boolean;
};

/** A public host as it is asked for, with the port where that is not the scheme's own. */
export function publicUrlOf(door: PublicDoor, host: string, scheme: string): string {
  const { publicUrl, httpPort, httpsPort } = door;
  const own = scheme === 'https' ? (httpsPort ?? 443) : httpPort;
  const usual = scheme === 'https' ? 443 : 80;
  const port = publicUrl?.protocol === `${scheme}:` ? publicUrl.port : own === usual ? '' : String(own);
  return `${scheme}://${host}${port === '' ? '' : `:${port}`}`;
}

/** The scheme of public URLs without a certificate of their own. */
export function plainScheme({ publicUrl }: PublicDoor, { externalScheme }: NetworkConfig): string {
  return publicUrl === undefined ? externalScheme : publicUrl.protocol.slice(0, -1);
}

/** Whether who comes by plain HTTP can be sent on to https, and be known there. */
export function canRedirect({ httpsPort, publicUrl, hasTrustedProxies }: PublicDoor): boolean {
  return httpsPort !== undefined || (publicUrl?.protocol === 'https:' && hasTrustedProxies);
}

export type Named = {
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** The name of a route, or of one of its tags, in host names (config-network: tag-template). */
export function hostPart(name: string, tag: string, { network }: NetworkSettings): string {
  return tag === '' ? name : renderTemplate(network.tagTemplate, { Name: name, Tag: tag });
}

/** The public names of a route by its part; without a domain of its own it answers at that of `--domain`, too. */
export function publicHosts(
  part: string,
  { namespace, labels, annotations }: Named,
  { network, domains }: NetworkSettings,
  { publicUrl, domain }: PublicDoor,
): readonly [string, ...string[]] {
  const at = (Domain: string): string =>
    renderTemplate(network.domainTemplate, {
      Name: part,
      Namespace: namespace,
      Domain,
      Labels: labels,
      Annotations: annotations,
    }).toLowerCase();
  const chosen = domainFor(domains, labels);
  if (chosen !== undefined) return [at(chosen)];
  const told = at(publicUrl?.hostname ?? domain);
  const own = at(domain);
  return own === told ? [told] : [told, own];
}
