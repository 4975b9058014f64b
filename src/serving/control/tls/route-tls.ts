import { isFalse, isTrue, type Mark } from '../../../apis/conditions.ts';
import type { Ingress } from '../../../apis/networking/ingress/types.ts';
import type { Route } from '../../../apis/serving/types.ts';
import type { ResourceReader } from '../../../control/resource-client.ts';
import { canRedirect, type NetworkSettings, type PublicDoor } from '../network-settings.ts';
import { checkSecret, DEFAULT_CERTIFICATE } from './certificate.ts';
import { disablesTls, httpOptionOf } from './http-option.ts';

/** How the public hosts of a Route are asked for: by https, where there is a certificate for them. */
export type RouteTls = {
  readonly mark: Mark;
  readonly tls: NonNullable<Ingress['spec']['tls']>;
  readonly httpOption: NonNullable<Ingress['spec']['httpOption']>;
  /** When the certificate ends. */
  readonly untilMs: number | undefined;
};

export const NO_LISTENER = 'the gateway has no TLS listener: up --gateway-tls HOST:PORT opens one';
const CONDITION = 'CertificateProvisioned';
const NOT_ENABLED = isTrue(CONDITION, 'TLSNotEnabled', 'external-domain-tls is not enabled');

/**
 * With `external-domain-tls` the default certificate has to cover the hosts of Routes; nothing makes certificates. While
 * it does not, plain HTTP goes on where that is allowed (serving pkg/reconciler/route, HTTPDowngrade).
 */
export async function routeTls(
  reader: ResourceReader,
  { metadata: { annotations = {} } }: Route,
  hosts: readonly string[],
  { network }: NetworkSettings,
  door: PublicDoor,
  nowMs: number,
): Promise<RouteTls | { readonly fault: string }> {
  const httpOption = httpOptionOf(annotations, network);
  if (typeof httpOption === 'object') return httpOption;
  const plain = { tls: [], untilMs: undefined, httpOption: 'Enabled' as const };
  if (!network.isExternalTls || disablesTls(annotations) || hosts.length === 0) {
    const inFront = canRedirect(door) && door.httpsPort === undefined; // TLS is taken off there
    return { ...plain, mark: NOT_ENABLED, ...(inFront && { httpOption }) };
  }
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
  return { ...plain, mark };
}
