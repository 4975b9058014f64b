import type { Revision } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { parseImageName } from '../images/name.ts';
import type { RegistryAuth } from '../runtime/container/engine.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SERVICE_ACCOUNT = { apiVersion: 'v1', kind: 'ServiceAccount' };
/** Docker Hub goes by several names. */
const HUB = ['docker.io', 'index.docker.io', 'registry-1.docker.io'];

type Owner = Pick<Revision, 'metadata' | 'spec'>;
type Named = { readonly name?: string };
type Account = Resource & { readonly imagePullSecrets?: readonly Named[] };
type Secret = Resource & { readonly data?: Readonly<Record<string, string>> };
type Entry = { readonly auth?: string; readonly username?: string; readonly password?: string };

/** The credentials for the registry of an image: of its owner's own pull secrets, then of its service account's. */
export async function registryAuth(
  reader: ResourceReader,
  { metadata: { namespace = '' }, spec }: Owner,
  image: string,
): Promise<RegistryAuth | undefined> {
  const { serviceAccountName = '', imagePullSecrets = [] } = spec as Owner['spec'] & {
    readonly serviceAccountName?: string;
    readonly imagePullSecrets?: readonly Named[];
  };
  const account = await reader.find<Account>(SERVICE_ACCOUNT, namespace, serviceAccountName || 'default');
  const { name: full } = parseImageName(image);
  for (const { name = '' } of [...imagePullSecrets, ...(account?.imagePullSecrets ?? [])]) {
    const secret = await reader.find<Secret>(SECRET, namespace, name);
    const found = secret === undefined ? undefined : authIn(secret, full);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Secrets of the types kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg; the entry that says most of the image. */
function authIn({ data = {} }: Secret, image: string): RegistryAuth | undefined {
  const config = decoded(data['.dockerconfigjson'] ?? '') as
    | { readonly auths?: Record<string, Entry> }
    | undefined;
  const old = decoded(data['.dockercfg'] ?? '') as Record<string, Entry> | undefined;
  const [best] = Object.entries(config?.auths ?? old ?? {})
    .filter(([server]) => covers(server, image))
    .toSorted(([a], [b]) => placeOf(b).length - placeOf(a).length);
  if (best === undefined) return undefined;
  const [serveraddress, entry] = best;
  const [user = '', ...rest] = Buffer.from(entry.auth ?? '', 'base64')
    .toString()
    .split(':');
  return { username: entry.username ?? user, password: entry.password ?? rest.join(':'), serveraddress };
}

/** Whether an entry is of the registry of an image, and of the part of it that the image is in (Kubernetes, Images). */
function covers(server: string, image: string): boolean {
  const [host = '', ...path] = placeOf(server).split('/');
  const [of = '', ...repository] = image.replace(/:[^/:]*$/, '').split('/');
  if (HUB.includes(host) && HUB.includes(of)) return true;
  return isHost(host, of) && path.every((part, i) => part === repository[i]);
}

/** `*` stands for one part of a name. */
function isHost(pattern: string, host: string): boolean {
  const [expected, parts] = [pattern.split('.'), host.split('.')];
  return expected.length === parts.length && expected.every((each, i) => each === '*' || each === parts[i]);
}

/** `https://index.docker.io/v1/` is the host alone. */
function placeOf(server: string): string {
  return server
    .replace(/^https?:\/\//, '')
    .replace(/\/+$/, '')
    .replace(/\/v[12]$/, '');
}

function decoded(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64').toString());
  } catch {
    return undefined; // what is no JSON has no credentials
  }
}
