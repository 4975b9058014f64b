import { isFalse, isTrue, type Mark } from '../../../apis/conditions.ts';
import type { Ingress } from '../../../apis/networking/ingress/types.ts';
import type { ResourceReader } from '../../../control/resource-client.ts';
import { canRedirect, type NetworkSettings, type PublicDoor } from '../network-settings.ts';
import { checkSecret, DEFAULT_CERTIFICATE, type SecretName } from './certificate.ts';
import { disablesTls, httpOptionOf, type HttpOption } from './http-option.ts';

/** How public hosts are asked for: by https, where there is a certificate for them. */
export type HostTls = {
  readonly mark: Mark;
  readonly tls: NonNullable<Ingress['spec']['tls']>;
  readonly httpOption: HttpOption;
  /** When the certificate ends. */
  readonly untilMs: number | undefined;
};

export type SecureHosts = {
  readonly hosts: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  /** Theirs; without one, that of the gateway is for them where `external-domain-tls` says so. */
  readonly secret?: SecretName | undefined;
};

const CONDITION = 'CertificateProvisioned';
const NOT_ENABLED = isTrue(CONDITION, 'TLSNotEnabled', 'external-domain-tls is not enabled');
const NOT_REDIRECTED = isTrue(
  CONDITION,
  'TLSNotEnabled',
  'external-domain-tls is not enabled; until there is TLS for its hosts, http-protocol Redirected has no effect',
);
const PROVIDED = isTrue(
  CONDITION,
  'CertificateExternallyProvided',
  'TLS certificate was provided externally',
);
const NO_LISTENER = 'the gateway has no TLS listener; up --gateway-tls HOST:PORT opens one';

export async function hostTls(
  reader: ResourceReader,
  wanted: SecureHosts,
  { network }: NetworkSettings,
  door: PublicDoor,
  nowMs: number,
): Promise<HostTls | { readonly fault: string }> {
  const { hosts, annotations, secret } = wanted;
  const httpOption = httpOptionOf(annotations, network);
  if (typeof httpOption === 'object') return httpOption;
  const isWanted = secret !== undefined || (network.isExternalTls && !disablesTls(annotations));
  if (!isWanted || hosts.length === 0) {
    const plain = plainly(httpOption, door);
    return { ...plain, mark: plain.httpOption === httpOption ? NOT_ENABLED : NOT_REDIRECTED };
  }
  if (secret !== undefined) return await ownTls(reader, secret, hosts, { httpOption, door, nowMs });
  return await sharedTls(reader, hosts, { httpOption, door, nowMs });
}

type How = { readonly httpOption: HttpOption; readonly door: PublicDoor; readonly nowMs: number };

/** Nobody is sent on to https, but where TLS is taken off in front. */
function plainly(httpOption: HttpOption, door: PublicDoor): Omit<HostTls, 'mark'> {
  const isInFront = canRedirect(door) && door.httpsPort === undefined;
  return { tls: [], untilMs: undefined, httpOption: isInFront ? httpOption : 'Enabled' };
}

/** A certificate that was asked for by name counts, good or bad: the last good one goes on being shown. */
async function ownTls(
  reader: ResourceReader,
  secret: SecretName,
  hosts: readonly string[],
  { httpOption, door, nowMs }: How,
): Promise<HostTls> {
  if (door.httpsPort === undefined)
    return { ...plainly(httpOption, door), mark: isFalse(CONDITION, 'NoTLSListener', NO_LISTENER) };
  const checked = await checkSecret(reader, secret, hosts, nowMs);
  const { namespace: secretNamespace, name: secretName } = secret;
  const tls = [{ hosts, secretName, secretNamespace }];
  if (checked.kind === 'good') return { mark: PROVIDED, tls, httpOption, untilMs: checked.untilMs };
  return { mark: isFalse(CONDITION, checked.reason, checked.message), tls, httpOption, untilMs: undefined };
}

/**
 * With `external-domain-tls` the gateway's own certificate has to cover the hosts; nothing makes certificates here. While
 * it does not, plain HTTP goes on where that is allowed (serving pkg/reconciler/route, HTTPDowngrade).
 */
async function sharedTls(
  reader: ResourceReader,
  hosts: readonly string[],
  { httpOption, door, nowMs }: How,
): Promise<HostTls> {
  const checked =
    door.httpsPort === undefined
      ? ({ kind: 'bad', reason: 'NoTLSListener', message: NO_LISTENER } as const)
      : await checkSecret(reader, DEFAULT_CERTIFICATE, hosts, nowMs);
  if (checked.kind === 'good') {
    const { namespace: secretNamespace, name: secretName } = DEFAULT_CERTIFICATE;
    const tls = [{ hosts, secretName, secretNamespace }];
    return { mark: isTrue(CONDITION), tls, httpOption, untilMs: checked.untilMs };
  }
  const { reason, message } = checked;
  const mark =
    httpOption === 'Enabled'
      ? isTrue(CONDITION, 'HTTPDowngrade', `${message}; plain HTTP goes on`)
      : isFalse(CONDITION, reason, message);
  return { ...plainly(httpOption, door), mark };
}
