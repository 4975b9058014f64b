import type { NetworkConfig } from '../../../apis/networking/network-config.ts';

type Annotations = Readonly<Record<string, string>>;
export type HttpOption = NetworkConfig['httpProtocol'];

const PREFIX = 'networking.knative.dev';
const HTTP_PROTOCOL = ['http-protocol', 'httpOption'];
const DISABLE_TLS = [
  'disable-external-domain-tls',
  'disableExternalDomainTLS',
  'disable-auto-tls',
  'disableAutoTLS',
];

/** The annotation, else config-network (serving pkg/networking, GetHTTPOption). */
export function httpOptionOf(
  annotations: Annotations,
  { httpProtocol }: NetworkConfig,
): HttpOption | { readonly fault: string } {
  const written = firstOf(annotations, HTTP_PROTOCOL)?.toLowerCase();
  if (written === undefined || written === '') return httpProtocol;
  if (written === 'enabled') return 'Enabled';
  return written === 'redirected'
    ? 'Redirected'
    : { fault: `incorrect http-protocol annotation: ${written}` };
}

/** Whether an object wants no certificate although all others have one. */
export function disablesTls(annotations: Annotations): boolean {
  return /^(?:1|t|true)$/i.test(firstOf(annotations, DISABLE_TLS) ?? '');
}

function firstOf(annotations: Annotations, names: readonly string[]): string | undefined {
  const name = names.find((each) => annotations[`${PREFIX}/${each}`] !== undefined);
  return name === undefined ? undefined : annotations[`${PREFIX}/${name}`];
}
