import { createPrivateKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { PlatformError } from '../../base/errors.ts';

export type PubsubAccess =
  | { readonly kind: 'emulator'; readonly host: string }
  | { readonly kind: 'key'; readonly email: string; readonly privateKey: string }
  /** Google's usual search: a file that the environment names, the one that gcloud writes, the metadata server. */
  | { readonly kind: 'default' };

export type PubsubSettings = { readonly project: string; readonly access: PubsubAccess };

/** The ConfigMap's data, and the Secret's, decoded to text; no Secret is an empty one. */
export type WrittenSettings = {
  readonly config: Readonly<Record<string, string>>;
  readonly secret: Readonly<Record<string, string>>;
};

type Environment = Readonly<Record<string, string | undefined>>;

const SECRET_KEY = 'key.json';
const PROJECT = /^[a-z0-9][a-z0-9.:-]{1,62}$/;
const HOST = /^(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):\d{1,5}$/;
/** A metadata server is on the same host, and answers within milliseconds. */
const METADATA_MAX_MS = 1500;

/**
 * Reads ConfigMap `pubsub-channel-config` (`project`; `emulator.host` before the environment's PUBSUB_EMULATOR_HOST) and
 * the Secret that it names (`key.json`). Nothing thrown here holds a secret.
 */
export function readSettings({ config, secret }: WrittenSettings, environment: Environment): PubsubSettings {
  const emulator = config['emulator.host'] ?? environment['PUBSUB_EMULATOR_HOST'] ?? '';
  const key = secret[SECRET_KEY] === undefined ? undefined : readKey(secret[SECRET_KEY]);
  const project = config['project'] ?? key?.project ?? environment['GOOGLE_CLOUD_PROJECT'] ?? '';
  if (!PROJECT.test(project)) throw invalid(`project: ${JSON.stringify(project)} is not the id of a project`);
  if (emulator !== '') return { project, access: { kind: 'emulator', host: readHost(emulator) } };
  if (key !== undefined)
    return { project, access: { kind: 'key', email: key.email, privateKey: key.privateKey } };
  const name = config['auth.secret.ref.name'];
  if (name !== undefined) throw invalid(`Secret ${name}: has no ${SECRET_KEY}, or is not there`);
  return { project, access: { kind: 'default' } };
}

/** Says quickly that there are no default credentials, where the client library would go on looking. */
export async function requireDefaultCredentials(environment: Environment): Promise<void> {
  const named = environment['GOOGLE_APPLICATION_CREDENTIALS'] ?? '';
  if (named !== '' && !existsSync(named))
    throw invalid('GOOGLE_APPLICATION_CREDENTIALS names a file that is not there');
  const folder = environment['CLOUDSDK_CONFIG'] ?? join(environment['HOME'] ?? '', '.config', 'gcloud');
  if (named !== '' || existsSync(join(folder, 'application_default_credentials.json'))) return;
  if (environment['METADATA_SERVER_DETECTION'] !== 'none' && (await hasMetadataServer(environment))) return;
  throw invalid(
    'no credentials: give a service-account key in key.json of a Secret that auth.secret.ref.name names, or default ' +
      'credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud auth application-default login, a service account of the ' +
      'machine), or an emulator (PUBSUB_EMULATOR_HOST)',
  );
}

function readKey(text: string): {
  readonly project: string | undefined;
  readonly email: string;
  readonly privateKey: string;
} {
  const read = parsed(text);
  const of = (name: string): string => {
    const value: unknown = Reflect.get(read, name);
    if (typeof value === 'string' && value !== '') return value;
    throw invalid(`${SECRET_KEY}: ${name} is missing, or not a text`);
  };
  const type = of('type');
  if (type !== 'service_account')
    throw invalid(`${SECRET_KEY}: type is ${JSON.stringify(type)}, and has to be "service_account"`);
  const privateKey = of('private_key');
  try {
    createPrivateKey(privateKey);
  } catch {
    throw invalid(`${SECRET_KEY}: private_key is not a private key in PEM`); // the cause might quote it
  }
  const project: unknown = Reflect.get(read, 'project_id');
  return {
    project: typeof project === 'string' ? project : undefined,
    email: of('client_email'),
    privateKey,
  };
}

function parsed(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // A parser quotes what it could not read.
  }
  throw invalid(`${SECRET_KEY}: is not the JSON of a service-account key`);
}

function readHost(host: string): string {
  if (!HOST.test(host)) throw invalid(`emulator.host: ${JSON.stringify(host)} is not host:port`);
  return host;
}

function hasMetadataServer(environment: Environment): Promise<boolean> {
  const host = environment['GCE_METADATA_HOST'] ?? environment['GCE_METADATA_IP'] ?? '169.254.169.254';
  return new Promise((resolve) => {
    const headers = { 'metadata-flavor': 'Google' };
    const asked = request(`http://${host}/computeMetadata/v1/instance`, { headers }, (answer) => {
      resolve(answer.headers['metadata-flavor'] === 'Google');
      asked.destroy();
    });
    asked.setTimeout(METADATA_MAX_MS, () => asked.destroy());
    asked.on('error', () => resolve(false)).on('close', () => resolve(false));
    asked.end();
  });
}

function invalid(message: string): PlatformError {
  return new PlatformError('BACKEND_SETTINGS_INVALID', message, { retryable: true });
}
