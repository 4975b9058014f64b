import { connect as connectHttp2 } from 'node:http2';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { makeCa, makeCertificate } from '../kit/certificates.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { Load } from '../kit/load.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const DEADLINE = { timeout: 20_000 };
const ANY = { host: '127.0.0.1', port: 0 };
const OPTIONS = { gatewayTls: ANY, trustedProxies: ['127.0.0.2/32'] };
const root = temporaryFolder('domains');
const dataDir = join(root, 'data');
const echo = folderWith('echo', {
  'server.js': `require('node:http').createServer(({ headers, url }, response) =>
  response.end(JSON.stringify({ name: process.env.K_SERVICE, url, headers })))
  .on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\\r\\nconnection: Upgrade\\r\\nupgrade: echo\\r\\n\\r\\n');
    socket.pipe(socket);
  })
  .listen(process.env.PORT);\n`,
});

let ca: string;
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  ca = makeCa(root, 'ca');
  platform = await openPlatform(dataDir, OPTIONS);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const pushed = await millrace(['push', 'echo', echo, '--command', 'node server.js', '--data-dir', dataDir]);
  expect(pushed).toMatchObject({ code: 0 });
  await apply(service('hello'));
  await apply(service('other'));
  await ready('ksvc/hello');
  await ready('ksvc/other');
  await ok(['create', 'namespace', 'alt']);
});
afterAll(() => platform.close(0));

const service = (name: string): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec: {template: {spec: {containers: [{image: echo}]}}}
`;
const mapping = (name: string, namespace = 'default', to = 'hello', tls = ''): string => `
apiVersion: serving.knative.dev/v1beta1
kind: DomainMapping
metadata: {name: ${name}, namespace: ${namespace}}
spec:
  ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: ${to}}${tls === '' ? '' : `\n  tls: {secretName: ${tls}}`}
`;

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  return stdout;
}
const apply = (manifest: string): Promise<string> => ok(['apply'], manifest);
const ready = (what: string): Promise<string> => ok(['wait', '--for=condition=Ready', '--timeout=60s', what]);
const read = (what: string, path: string, namespace = 'default'): Promise<string> =>
  ok(['get', what, '-n', namespace, '-o', `jsonpath={${path}}`]);
const reason = (what: string, condition: string, namespace = 'default'): Promise<string> =>
  read(what, `.status.conditions[?(@.type=="${condition}")].reason`, namespace);
const setNetwork = (data: object): Promise<string> =>
  ok([
    'patch',
    'cm',
    'config-network',
    '-n',
    'knative-serving',
    '--type=merge',
    '-p',
    JSON.stringify({ data }),
  ]);
const setDomains = (data: object): Promise<string> =>
  ok([
    'patch',
    'cm',
    'config-domain',
    '-n',
    'knative-serving',
    '--type=merge',
    '-p',
    JSON.stringify({ data }),
  ]);

type Answer = { readonly code: number; readonly text: string; readonly headers: IncomingHttpHeaders };
type Seen = { readonly name: string; readonly url: string; readonly headers: Record<string, string> };
const seen = ({ text }: Answer): Seen => JSON.parse(text) as Seen;

type How = { path?: string; headers?: object; base?: string; from?: string };
function ask(
  host: string,
  { path = '/', headers = {}, base = platform.endpoints.gateway, from = '127.0.0.1' }: How = {},
): Promise<Answer> {
  const options = { headers: { ...headers, host }, servername: host, ca, agent: false, localAddress: from };
  return new Promise((resolve, reject) => {
    const make = base.startsWith('https:') ? httpsRequest : httpRequest;
    const outgoing = make(`${base}${path}`, options, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({ code: response.statusCode ?? 0, text: text.trim(), headers: response.headers }),
      );
    });
    outgoing.on('error', reject).end();
  });
}
/** What comes back on a connection that has become one of another protocol. */
function echoed(host: string, base: string): Promise<string> {
  const make = base.startsWith('https:') ? httpsRequest : httpRequest;
  const headers = { host, connection: 'Upgrade', upgrade: 'echo' };
  return new Promise((resolve, reject) => {
    const outgoing = make(base, { headers, servername: host, ca, agent: false });
    outgoing.on('upgrade', (_, socket) => {
      socket.once('data', (chunk: Buffer) => {
        resolve(chunk.toString());
        socket.destroy();
      });
      socket.write('over and out');
    });
    outgoing.on('error', reject).end();
  });
}
const secure = (): string => platform.endpoints.gatewayTls ?? '';
const code = async (host: string): Promise<number> => (await ask(host)).code;

describe('a DomainMapping by kubectl', { timeout: 90_000 }, () => {
  it('leads a domain to a Service, is one namespace’s, and goes to the next when it is deleted (TestDomainMapping)', async () => {
    await apply(mapping('map.example.com'));
    await ready('domainmapping/map.example.com');
    expect(seen(await ask('map.example.com'))).toMatchObject({
      name: 'hello',
      headers: { host: 'map.example.com', 'x-forwarded-host': 'map.example.com' },
    });
    expect(await read('cdc/map.example.com', '.spec.namespace')).toBe('default');
    await apply(mapping('map.example.com', 'alt'));
    const claimed = (): Promise<string> => reason('dm/map.example.com', 'DomainClaimed', 'alt');
    await expect.poll(claimed, DEADLINE).toBe('DomainAlreadyClaimed');
    await ok(['delete', 'dm', 'map.example.com']);
    await expect.poll(claimed, DEADLINE).toBe('');
    expect(await read('cdc/map.example.com', '.spec.namespace')).toBe('alt');
    await expect
      .poll(() => reason('dm/map.example.com', 'ReferenceResolved', 'alt'), DEADLINE)
      .toBe('ResolveFailed');
    expect(await code('map.example.com')).toBe(404);
    await ok(['delete', 'dm', 'map.example.com', '-n', 'alt']);
    await expect.poll(async () => (await kubectl(['get', 'cdc', 'map.example.com'])).code, DEADLINE).toBe(1);
  });

  it('passes a connection of another protocol through (TestDomainMappingWebsocket)', async () => {
    await apply(mapping('ws.example.com'));
    await ready('domainmapping/ws.example.com');
    expect(await echoed('ws.example.com', platform.endpoints.gateway)).toBe('over and out');
  });

  it('has no domain without a claim where those are made by hand', async () => {
    await setNetwork({ 'autocreate-cluster-domain-claims': 'false' });
    await apply(mapping('hand.example.com'));
    const claimed = (): Promise<string> => reason('dm/hand.example.com', 'DomainClaimed');
    await expect.poll(claimed, DEADLINE).toBe('DomainAlreadyClaimed');
    await apply(`
apiVersion: networking.internal.knative.dev/v1alpha1
kind: ClusterDomainClaim
metadata: {name: hand.example.com}
spec: {namespace: default}`);
    await ready('domainmapping/hand.example.com');
    await ok(['delete', 'dm', 'hand.example.com']);
    expect(await read('cdc/hand.example.com', '.spec.namespace')).toBe('default');
    await setNetwork({ 'autocreate-cluster-domain-claims': 'true' });
  });

  it('says that an older one has its host, and has it when that goes', async () => {
    const host = 'other.default.localhost';
    await apply(mapping(host));
    await expect.poll(() => reason(`dm/${host}`, 'IngressReady'), DEADLINE).toBe('HostTaken');
    expect(seen(await ask(host)).name).toBe('other');
    await ok(['label', 'ksvc', 'other', 'networking.knative.dev/visibility=cluster-local']);
    await ready(`domainmapping/${host}`);
    expect(seen(await ask(host)).name).toBe('hello');
    await ok(['delete', 'dm', host]);
    await ok(['label', 'ksvc', 'other', 'networking.knative.dev/visibility-']);
    await expect.poll(() => code(host), DEADLINE).toBe(200);
  });

  it.each([
    ['nodots', 'should be a domain with at least two segments separated by dots'],
    ['a.cluster.local', 'must not be a subdomain of cluster local domain "cluster.local"'],
  ])('is refused as %s', async (name, why) => {
    const { stderr } = await kubectl(['apply'], mapping(name));
    expect(stderr).toContain(why);
    expect(stderr).toContain('validation.webhook.serving.knative.dev');
  });
});

describe('the visibility of a Service', { timeout: 90_000 }, () => {
  it('is taken and given back, and its url with it (TestRouteVisibilityChanges)', async () => {
    await ok(['label', 'ksvc', 'other', 'networking.knative.dev/visibility=cluster-local']);
    const url = (): Promise<string> => read('ksvc/other', '.status.url');
    await expect.poll(url, DEADLINE).toBe('http://other.default.svc.cluster.local');
    await expect.poll(() => code('other.default.localhost'), DEADLINE).toBe(404);
    await ok(['label', 'ksvc', 'other', 'networking.knative.dev/visibility-']);
    await expect.poll(url, DEADLINE).toMatch(/^http:\/\/other\.default\.localhost:\d+$/);
    await expect.poll(() => code('other.default.localhost'), DEADLINE).toBe(200);
  });

  it('is that of one tag by its Service (TestSubrouteVisibilityPublicToPrivate, TestSubrouteVisibilityPrivateToPublic)', async () => {
    const traffic = [
      { latestRevision: true, percent: 100 },
      { latestRevision: true, percent: 0, tag: 'sub' },
    ];
    await ok(['patch', 'ksvc', 'other', '--type=merge', '-p', JSON.stringify({ spec: { traffic } })]);
    await expect.poll(() => code('sub-other.default.localhost'), DEADLINE).toBe(200);
    await ok(['label', 'service.v1.', 'sub-other', 'networking.knative.dev/visibility=cluster-local']);
    await expect.poll(() => code('sub-other.default.localhost'), DEADLINE).toBe(404);
    expect(await code('other.default.localhost')).toBe(200);
    await ok(['label', 'service.v1.', 'sub-other', 'networking.knative.dev/visibility-']);
    await expect.poll(() => code('sub-other.default.localhost'), DEADLINE).toBe(200);
  });
});

describe('the names of Services', { timeout: 90_000 }, () => {
  it('follow config-domain and config-network at once, and no request to one that stays is lost', async () => {
    await apply(mapping('load.example.com'));
    await ready('domainmapping/load.example.com');
    const load = new Load(platform.endpoints.gateway, 'load.example.com');
    const url = (name: string): Promise<string> => read(`ksvc/${name}`, '.status.url');
    await setDomains({ 'shops.example': '', 'red.example': 'selector:\n  team: red\n' });
    await expect.poll(() => url('hello'), DEADLINE).toMatch(/^http:\/\/hello\.default\.shops\.example:\d+$/);
    await ok(['label', 'ksvc', 'other', 'team=red']);
    await expect.poll(() => code('other.default.red.example'), DEADLINE).toBe(200);
    await setNetwork({
      'domain-template': '{{.Name}}--{{.Namespace}}.{{.Domain}}',
      'tag-template': '{{.Name}}--{{.Tag}}',
    });
    await expect.poll(() => code('hello--default.shops.example'), DEADLINE).toBe(200);
    await expect.poll(() => code('other--sub--default.red.example'), DEADLINE).toBe(200);
    expect(await code('hello.default.shops.example')).toBe(404);
    await setNetwork({ 'domain-template': null, 'tag-template': null, 'default-external-scheme': 'https' });
    await setDomains({ 'shops.example': null, 'red.example': null });
    await expect.poll(() => url('hello'), DEADLINE).toMatch(/^https:\/\/hello\.default\.localhost:\d+$/);
    await setNetwork({ 'default-external-scheme': null });
    await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(200);
    expect((await load.stop()).failures).toEqual([]);
  });

  it.each([
    ['config-network', { 'domain-template': '{{.Nmae}}' }, "can't evaluate field Nmae"],
    ['config-domain', { 'example.com': 'text' }, 'cannot unmarshal string into Go value'],
  ])('are not what %s cannot mean', async (name, data, why) => {
    const patch = [
      'patch',
      'cm',
      name,
      '-n',
      'knative-serving',
      '--type=merge',
      '-p',
      JSON.stringify({ data }),
    ];
    const { stderr } = await kubectl(patch);
    expect(stderr).toContain('config.webhook.serving.knative.dev');
    expect(stderr).toContain(why);
  });
});

async function secret(
  name: string,
  { cert, key }: { cert: string; key: string },
  namespace = 'default',
): Promise<void> {
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  const content = { 'tls.crt': encoded(cert), 'tls.key': encoded(key) };
  await apply(
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace },
      type: 'kubernetes.io/tls',
      data: content,
    }),
  );
}

describe('TLS on the gateway', { timeout: 90_000 }, () => {
  const NAME = 'tls.example.com';
  const serialOf = async (servername: string | undefined): Promise<string> => {
    const socket = await handshake(servername);
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const handshake = (servername: string | undefined): Promise<TLSSocket> =>
    new Promise((resolve, reject) => {
      const { port } = new URL(secure());
      const options = { port: Number(port), host: '127.0.0.1', ca, rejectUnauthorized: false };
      const socket = connectTls({ ...options, ...(servername !== undefined && { servername }) }, () =>
        resolve(socket),
      );
      socket.on('error', reject);
    });
  const provisioned = (): Promise<string> => reason(`dm/${NAME}`, 'CertificateProvisioned');

  it('has the certificate of a DomainMapping, by HTTP/1.1 and HTTP/2 (TestBYOCertificate)', async () => {
    await secret('mine', makeCertificate(root, 'mine', NAME));
    await apply(mapping(NAME, 'default', 'hello', 'mine'));
    await ready(`domainmapping/${NAME}`);
    const url = await read(`dm/${NAME}`, '.status.url');
    expect(url).toBe(`https://${NAME}:${new URL(secure()).port}`);
    const node = [
      'get',
      'svc',
      'knative-ingressgateway',
      '-n',
      'istio-system',
      '-o',
      'jsonpath={.spec.ports[?(@.port==443)].nodePort}',
    ];
    expect(await ok(node)).toBe(new URL(secure()).port);
    expect(seen(await ask(NAME, { base: secure() })).headers).toMatchObject({ 'x-forwarded-proto': 'https' });
    const session = connectHttp2(secure(), { ca, servername: NAME });
    const headers = await new Promise<IncomingHttpHeaders>((resolve) => {
      const stream = session.request({ ':path': '/', ':authority': NAME });
      stream.on('response', (all) => resolve(all)).resume();
    });
    expect([session.alpnProtocol, headers[':status' as 'host']]).toEqual(['h2', 200]);
    session.destroy();
    expect(await echoed(NAME, secure())).toBe('over and out');
  });

  it('has nothing to show to whoever asks for a name without one, and ends the connection', async () => {
    await expect(handshake('nobody.example.com')).rejects.toThrow();
    await expect(handshake(undefined)).rejects.toThrow();
    await expect(ask(NAME, { base: secure().replace('https:', 'http:') })).rejects.toThrow();
    expect((await ask(NAME, { base: secure() })).code).toBe(200);
  });

  it('shows a renewed one from the next connection on, and those that are open go on', async () => {
    const old = await serialOf(NAME);
    const held = await handshake(NAME);
    await secret('mine', makeCertificate(root, 'renewed', NAME));
    await expect.poll(() => serialOf(NAME), DEADLINE).not.toBe(old);
    const answered = new Promise((resolve) =>
      held.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    held.write(`GET / HTTP/1.1\r\nhost: ${NAME}\r\nconnection: close\r\n\r\n`);
    expect(await answered).toMatch(/^HTTP\/1.1 200 /);
  });

  it('says what is wrong with one, and shows the last good one meanwhile', async () => {
    const good = await serialOf(NAME);
    const other = makeCertificate(root, 'else', 'else.example.com');
    await secret('mine', { cert: makeCertificate(root, 'odd', NAME).cert, key: other.key });
    await expect.poll(provisioned, DEADLINE).toBe('CertificateKeyMismatch');
    expect(await serialOf(NAME)).toBe(good);
    await secret('mine', other);
    await expect.poll(provisioned, DEADLINE).toBe('CertificateNameMismatch');
    await ok(['delete', 'secret', 'mine']);
    await expect.poll(provisioned, DEADLINE).toBe('CertificateMissing');
    await secret('mine', makeCertificate(root, 'again', NAME));
    await ready(`domainmapping/${NAME}`);
  });

  it('is for all Services with external-domain-tls and a certificate that covers them, but for those that want none (TestTLSDisabledWithAnnotation)', async () => {
    const both = makeCertificate(root, 'all', '*.default.localhost', '*.localhost');
    await setNetwork({ 'external-domain-tls': 'Enabled' });
    await expect.poll(() => reason('route/hello', 'CertificateProvisioned'), DEADLINE).toBe('HTTPDowngrade');
    await secret('gateway-tls', both, 'knative-serving');
    const url = (name: string): Promise<string> => read(`ksvc/${name}`, '.status.url');
    await expect
      .poll(() => url('hello'), DEADLINE)
      .toBe(`https://hello.default.localhost:${new URL(secure()).port}`);
    await ready('ksvc/hello');
    expect(seen(await ask('hello.default.localhost', { base: secure() })).name).toBe('hello');
    expect(await serialOf(undefined)).toBe(await serialOf('hello.default.localhost'));
    await ok(['annotate', 'ksvc', 'other', 'networking.knative.dev/disable-external-domain-tls=true']);
    await expect.poll(() => url('other'), DEADLINE).toMatch(/^http:/);
    expect(await code('other.default.localhost')).toBe(200);
  });

  it('takes plain HTTP over, by the annotation or for all (TestHttpRedirect)', async () => {
    const { port } = new URL(secure());
    await ok(['annotate', 'ksvc', 'hello', 'networking.knative.dev/http-protocol=redirected']);
    await expect.poll(() => code('hello.default.localhost'), DEADLINE).toBe(301);
    const { headers } = await ask('hello.default.localhost', { path: '/a?b' });
    expect(headers.location).toBe(`https://hello.default.localhost:${port}/a?b`);
    expect((await ask('hello.default.localhost', { base: secure() })).code).toBe(200);
    expect(await code(NAME)).toBe(200);
    await setNetwork({ 'http-protocol': 'Redirected' });
    await expect.poll(() => code(NAME), DEADLINE).toBe(301);
    await setNetwork({ 'http-protocol': 'Enabled', 'external-domain-tls': null });
    await expect.poll(() => code(NAME), DEADLINE).toBe(200);
  });
});

describe('a proxy in front', () => {
  const headers = { 'x-forwarded-for': '192.0.2.1', 'x-forwarded-proto': 'https' };

  it('is believed from where it is trusted alone', async () => {
    const from = async (address: string): Promise<Record<string, string>> =>
      seen(await ask('other.default.localhost', { headers, from: address })).headers;
    expect(await from('127.0.0.2')).toMatchObject({
      'x-forwarded-for': '192.0.2.1, 127.0.0.2',
      'x-forwarded-proto': 'https',
      forwarded: 'for=192.0.2.1;host=other.default.localhost;proto=https, for=127.0.0.2',
    });
    expect(await from('127.0.0.1')).toMatchObject({
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-proto': 'http',
    });
  });
});

describe('a platform that starts again', { timeout: 90_000 }, () => {
  it('has its domains, their certificates and their owners as before', async () => {
    await apply(mapping('other.default.localhost'));
    await platform.close(0);
    platform = await openPlatform(dataDir, OPTIONS);
    kubectl = kubectlFor(root, platform.kubeconfig);
    await expect.poll(() => reason('dm/other.default.localhost', 'IngressReady'), DEADLINE).toBe('HostTaken');
    expect(seen(await ask('other.default.localhost')).name).toBe('other');
    await expect.poll(() => code('tls.example.com'), DEADLINE).toBe(200);
    expect((await ask('tls.example.com', { base: secure() })).code).toBe(200);
  });
});
