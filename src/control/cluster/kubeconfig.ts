import type { Agent, OutgoingHttpHeaders } from 'node:http';
import { PlatformError } from '../../base/errors.ts';
import type { Credentials } from './credentials.ts';

/**
 * Reads a kubeconfig that came in a Secret. It has to hold all that it needs: a program to run or a file to read would be
 * one of the platform's machine, chosen by whoever may write the Secret. What is wrong is said without any of its text.
 */
export async function kubeconfigCredentials(text: string): Promise<Credentials> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  const config = new KubeConfig();
  try {
    config.loadFromString(text);
  } catch {
    throw invalid('it is no YAML with clusters, contexts and users that each have a name');
  }
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null) throw invalid('its current-context leads to no cluster');
  if (user === null) throw invalid('its current-context leads to no user');
  if (!URL.canParse(cluster.server)) throw invalid('the server of its cluster is no URL');
  if (new URL(cluster.server).password !== '') throw invalid('the URL of its server holds a password');
  const [outside] = Object.entries({
    exec: user.exec,
    'auth-provider': user.authProvider,
    'client-certificate': user.certFile,
    'client-key': user.keyFile,
    'certificate-authority': cluster.caFile,
  }).find(([, value]) => Boolean(value)) ?? [undefined];
  if (outside !== undefined)
    throw invalid(`${outside} leads out of it; put the data or a token in its place`);
  const isPlain = cluster.server.startsWith('http:');
  if (isPlain && !cluster.skipTLSVerify)
    throw invalid('its server is http, which takes insecure-skip-tls-verify as well');
  const options: Options = {};
  await config.applyToHTTPSOptions(options).catch(() => {
    throw invalid('its credentials cannot be used');
  });
  const { ca, cert, key, rejectUnauthorized, servername, auth } = options;
  return {
    server: cluster.server,
    user: user.name,
    tls: { ca, cert, key, rejectUnauthorized, servername },
    proxyAgent: cluster.proxyUrl === undefined ? undefined : options.agent,
    headers: async () => headersOf(options.headers, auth),
  };
}

type Options = {
  ca?: string | Buffer;
  cert?: string | Buffer;
  key?: string | Buffer;
  rejectUnauthorized?: boolean;
  servername?: string;
  auth?: string | null;
  headers?: OutgoingHttpHeaders;
  agent?: Agent;
};

function headersOf(
  given: Readonly<Record<string, unknown>> = {},
  auth: string | null | undefined,
): Record<string, string> {
  const headers = Object.entries(given).map(([name, value]) => [name.toLowerCase(), String(value)]);
  if (auth) headers.push(['authorization', `Basic ${Buffer.from(auth).toString('base64')}`]);
  return Object.fromEntries(headers) as Record<string, string>;
}

const invalid = (why: string): PlatformError =>
  new PlatformError('KUBECONFIG_INVALID', `the kubeconfig cannot be used: ${why}`, { retryable: false });
