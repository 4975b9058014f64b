import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';
import type { Credentials } from './credentials.ts';

export const SERVICE_ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';

/** How long a token that was read is used; the kubelet renews it long before it ends. */
const TOKEN_AGE_MAX_MS = 60_000;

/** What a Pod is given to ask the API of its own cluster. */
export async function inClusterCredentials(
  env: Readonly<Record<string, string | undefined>>,
  folder: string,
): Promise<Credentials> {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  if (!host || !port)
    throw notInCluster(
      'KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in a Pod',
    );
  const read = (name: string): Promise<string> =>
    readFile(join(folder, name), 'utf8').catch((error: unknown) => {
      throw notInCluster(`${join(folder, name)} cannot be read`, error);
    });
  const ca = await read('ca.crt');
  let token = { text: await read('token'), readMs: Date.now() };
  const namespace = (await read('namespace').catch(() => 'default')).trim();
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    user: `the service account of the Pod in namespace ${namespace}`,
    tls: { ca },
    async headers() {
      if (Date.now() - token.readMs > TOKEN_AGE_MAX_MS)
        token = { text: await read('token'), readMs: Date.now() };
      return { authorization: `Bearer ${token.text.trim()}` };
    },
  };
}

function notInCluster(why: string, cause?: unknown): PlatformError {
  const message = `the platform does not run in a Pod of a cluster: ${why}`;
  return new PlatformError('KUBECONFIG_INVALID', message, { retryable: false, cause });
}
