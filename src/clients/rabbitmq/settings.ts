import { X509Certificate } from 'node:crypto';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { AttributePrefix } from '../../events/amqp-binding.ts';

/** The ConfigMap's data, and the Secret's, decoded to text; no Secret is an empty one. */
export type WrittenSettings = {
  readonly config: Readonly<Record<string, string>>;
  readonly secret: Readonly<Record<string, string>>;
};

/** Where RabbitMQ is and who we are there; never shown or logged as a whole. */
export type Address = {
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
  /** As the client takes it: percent-encoded. */
  readonly vhost: string;
  readonly username: string;
  readonly password: string;
  readonly ca: string | undefined;
  readonly attributePrefix: AttributePrefix;
};

const PREFIXES: Readonly<Record<string, AttributePrefix>> = { cloudevents: 'cloudEvents:', knative: 'ce-' };
const DEFAULT_USER = 'guest'; // of RabbitMQ, from loopback only

/**
 * ConfigMap `uri` or Secret `uri`, the latter first; Secret `username`, `password`, `port`, `ca.crt`; ConfigMap `headers`:
 * `cloudevents` or `knative`. Rejects with BACKEND_SETTINGS_INVALID, which names the key and never what it held.
 */
export function parseSettings({ config, secret }: WrittenSettings): Address {
  const uri =
    secret['uri'] === undefined ? uriOf('ConfigMap', config['uri']) : uriOf('Secret', secret['uri']);
  const isTls = uri.protocol === 'amqps:';
  return {
    isTls,
    host: uri.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(secret['port'], uri.port, isTls),
    vhost: vhostOf(uri),
    ...credentialsOf(uri, secret),
    ca: caOf(secret['ca.crt'], isTls),
    attributePrefix: prefixOf(config['headers']),
  };
}

function uriOf(where: string, written: string | undefined): URL {
  const text = written?.trim() ?? '';
  if (text === '')
    throw invalid('uri', 'has to say where RabbitMQ is: amqp://host:5672/vhost, or amqps: with TLS');
  const uri = URL.parse(text.includes('://') ? text : `amqp://${text}`); // a Secret of Knative may have the host alone
  if (uri === null || uri.hostname === '' || !['amqp:', 'amqps:'].includes(uri.protocol))
    throw invalid('uri', `of the ${where} has to be amqp://host:port/vhost or amqps://host:port/vhost`);
  if (uri.search !== '' || uri.hash !== '') throw invalid('uri', `of the ${where} takes no parameters`);
  if (where === 'ConfigMap' && uri.password !== '')
    throw invalid(
      'uri',
      "of the ConfigMap holds a password, which everyone who reads ConfigMaps sees: move it to key 'password' of a Secret, and name that in auth.secret.ref.name",
    );
  return uri;
}

function portOf(written: string | undefined, ofUri: string, isTls: boolean): number {
  const text = written?.trim() || ofUri || (isTls ? '5671' : '5672');
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw invalid('port', 'has to be a number from 1 to 65535');
  return port;
}

function vhostOf({ pathname }: URL): string {
  const path = pathname.slice(1);
  if (path.includes('/'))
    throw invalid('uri', 'has one virtual host behind the address; a slash in its name is %2F');
  return path === '' ? '%2F' : encodeURIComponent(decoded(path));
}

function credentialsOf(uri: URL, secret: WrittenSettings['secret']): { username: string; password: string } {
  const username = secret['username']?.trim() ?? decoded(uri.username);
  const password = secret['password']?.replace(/\r?\n$/, '') ?? decoded(uri.password);
  if (username === '' && password === '') return { username: DEFAULT_USER, password: DEFAULT_USER };
  if (username === '') throw invalid('username', 'is missing, though there is a password');
  if (password === '') throw invalid('password', 'is missing from the Secret, though there is a user name');
  return { username, password };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalid('uri', 'has a part that is not percent-encoded');
  }
}

function caOf(pem: string | undefined, isTls: boolean): string | undefined {
  if (pem === undefined || pem.trim() === '') return undefined;
  if (!isTls) throw invalid('ca.crt', 'is given, but the address has no TLS: write amqps:// in uri');
  try {
    return new X509Certificate(pem).toString();
  } catch (error) {
    throw invalid('ca.crt', `has to be a certificate in PEM: ${messageOf(error)}`);
  }
}

function prefixOf(written: string | undefined): AttributePrefix {
  const prefix = PREFIXES[written?.trim() ?? 'cloudevents'];
  if (prefix === undefined) throw invalid('headers', `has to be one of ${Object.keys(PREFIXES).join(', ')}`);
  return prefix;
}

function invalid(key: string, message: string): PlatformError {
  return new PlatformError('BACKEND_SETTINGS_INVALID', `${key} ${message}`, { retryable: false });
}
