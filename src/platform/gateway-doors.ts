import { hostNameOf } from '../http/host-check.ts';
import { openServer, type Listener, type OpenServer } from '../http/server.ts';
import { inNetworks } from '../http/trusted-proxies.ts';
import { canRedirect, publicUrlOf, type PublicDoor } from '../serving/control/network-settings.ts';
import { Certificates, type Certificate } from '../serving/gateway/certificates.ts';
import type { Front } from '../serving/gateway/gateway.ts';
import type { Serving } from '../serving/serving.ts';
import type { PlatformOptions } from './options.ts';

/** The gateway's listeners: that of plain HTTP, and that of TLS where one is asked for. */
export type GatewayDoors = {
  readonly plain: OpenServer;
  readonly secure: OpenServer | undefined;
  readonly door: PublicDoor;
  readonly certificates: {
    set(host: string, certificate: Certificate | undefined): void;
    setDefault(certificate: Certificate | undefined): void;
  };
  /** Both, as OpenServer has it. */
  close(graceMs: number): Promise<void>;
};

export async function openGatewayDoors(
  options: PlatformOptions,
  serving: Serving,
  onOtherHost: Listener['onRequest'],
): Promise<GatewayDoors> {
  let door: PublicDoor | undefined;
  const front: Front = {
    trusts: trustOf(options),
    secureUrlOf: (host) => (door && canRedirect(door) ? publicUrlOf(door, host, 'https') : undefined),
  };
  const gateway = { ...serving.gateway('public', onOtherHost, front), requestTimeoutMs: 0 };
  const certificates = new Certificates();
  const plain = await openServer({ name: 'gateway', flag: '--gateway', ...options.gateway, ...gateway });
  const secure = await openSecure(options, gateway, certificates).catch(async (error: unknown) => {
    await plain.close(0);
    throw error;
  });
  door = doorOf(options, plain, secure);
  return {
    plain,
    secure,
    door,
    certificates: {
      set: (host, certificate) => certificates.set(host, certificate),
      setDefault(certificate) {
        certificates.setDefault(certificate);
        if (certificate !== undefined) secure?.showToNameless(certificate);
      },
    },
    async close(graceMs) {
      await Promise.all([plain.close(graceMs), secure?.close(graceMs)]);
    },
  };
}

/** Whom the listeners believe what they say of where a request comes from. */
export function trustOf({ trustedProxies = [] }: PlatformOptions): Front['trusts'] {
  return inNetworks(trustedProxies);
}

async function openSecure(
  { gatewayTls }: PlatformOptions,
  gateway: Pick<Listener, 'onRequest'>,
  certificates: Certificates,
): Promise<OpenServer | undefined> {
  if (gatewayTls === undefined) return undefined;
  const tls = { contextFor: (name: string) => certificates.contextFor(name) };
  return await openServer({ name: 'gateway TLS', flag: '--gateway-tls', ...gatewayTls, ...gateway, tls });
}

function doorOf(
  { publicUrl, domain, trustedProxies = [] }: PlatformOptions,
  plain: OpenServer,
  secure: OpenServer | undefined,
): PublicDoor {
  return {
    publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl),
    domain: hostNameOf(domain),
    httpPort: plain.port,
    httpsPort: secure?.port,
    hasTrustedProxies: trustedProxies.length > 0,
  };
}
