import type { Revision } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { parseImageName } from '../images/name.ts';
import type { RegistryAuth } from '../runtime/container/engine.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SERVICE_ACCOUNT = { apiVersion: 'v1', kind: 'ServiceAccount' };
/** Docker Hub goes by several names. */
const HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

type Named = { readonly name?: string };
type Account = Resource & { readonly imagePullSecrets?: readonly Named[] };
type Secret = Resource & { readonly data?: Readonly<Record<string, string>> };
type Entry = { readonly auth?: string; readonly username?: string; readonly password?: string };

/** The credentials for the registry of an image: of the revision's own pull secrets, then of its service account's. */
export async function registryAuth(
  reader: ResourceReader,
  { metadata: { namespace = '' }, spec }: Revision,
  image: string,
): Promise<RegistryAuth | undefined> {
  const { serviceAccountName = '', imagePullSecrets = [] } = spec as Revision['spec'] & {
    readonly serviceAccountName?: string;
    readonly imagePullSecrets?: readonly Named[];
  };
  const account = await reader.find<Account>(SERVICE_ACCOUNT, namespace, serviceAccountName || 'default');
  const host = parseImageName(image).name.split('/')[0] ?? '';
  for (const { name = '' } of [...imagePullSecrets, ...(account?.imagePullSecrets ?? [])]) {
    const secret = await reader.find<Secret>(SECRET, namespace, name);
    const found = secret === undefined ? undefined : authIn(secret, host);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg. */
function authIn({ data = {} }: Secret, host: string): RegistryAuth | undefined {
  const config = decoded(data['.dockerconfigjson'] ?? '') as
    | { readonly auths?: Record<string, Entry> }
    | undefined;
  const old = decoded(data['.dockercfg'] ?? '') as Record<string, Entry> | undefined;
  for (const [server, entry] of Object.entries(config?.auths ?? old ?? {})) {
    const of = server.replace(/^https?:\/\//, '').split('/')[0] ?? '';
    if (of !== host && !(HUB.includes(of) && HUB.includes(host))) continue;
    const [user = '', ...rest] = Buffer.from(entry.auth ?? '', 'base64')
      .toString()
      .split(':');
    return {
      username: entry.username ?? user,
      password: entry.password ?? rest.join(':'),
      serveraddress: server,
    };
  }
  return undefined;
}

function decoded(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString());
  } catch {
    return undefined; // what is no JSON has no credentials
  }
}
