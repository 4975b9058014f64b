import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PlatformError } from '../../../src/base/errors.ts';
import { Connection } from '../../../src/control/cluster/connection.ts';
import { inClusterCredentials } from '../../../src/control/cluster/in-cluster.ts';
import { kubeconfigCredentials } from '../../../src/control/cluster/kubeconfig.ts';
import { clusterOf, openCluster } from '../../../src/control/cluster/open-cluster.ts';
import { watchLines } from '../../../src/control/cluster/watch-stream.ts';
import { temporaryFolder } from '../../kit/folders.ts';

const folder = temporaryFolder('account');
const POD = { apiVersion: 'v1', kind: 'Pod' };
const RESOURCES = { resources: [{ name: 'pods', kind: 'Pod', namespaced: true }] };
const SECRET = 's3cr3t-t0ken';

function kubeconfig(server: string, user: object = { token: SECRET }, cluster: object = {}): string {
  return JSON.stringify({
    'current-context': 'c',
    clusters: [{ name: 'k', cluster: { server, 'insecure-skip-tls-verify': true, ...cluster } }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
  });
}
const errorOf = (promise: Promise<unknown>): Promise<PlatformError> =>
  promise.then(
    () => Promise.reject(new Error('it was taken')),
    (error: PlatformError) => error,
  );

describe('a kubeconfig from a Secret', () => {
  it.each<[string, string, RegExp]>([
    ['no YAML', `: ${SECRET}: [`, /no YAML/],
    ['a text', SECRET, /no YAML|no cluster/],
    [
      'a program for a credential',
      kubeconfig('https://a', { exec: { command: 'sh', args: [SECRET] } }),
      /exec leads out of it/,
    ],
    [
      'a file for a key',
      kubeconfig('https://a', { token: SECRET, 'client-key': '/etc/shadow' }),
      /client-key leads out/,
    ],
    [
      'a file for a certificate',
      kubeconfig('https://a', { 'client-certificate': '/x' }),
      /client-certificate leads/,
    ],
    [
      'a file for an authority',
      kubeconfig('https://a', {}, { 'certificate-authority': '/x' }),
      /certificate-authority/,
    ],
    [
      'a plugin',
      kubeconfig('https://a', { 'auth-provider': { name: 'gcp' } }),
      /auth-provider leads out of it/,
    ],
    ['no URL', kubeconfig('not a url'), /server of its cluster is no URL/],
    ['a password in a URL', kubeconfig(`https://u:${SECRET}@a`), /the URL of its server holds a password/],
    [
      'a plain server',
      kubeconfig('http://a', {}, { 'insecure-skip-tls-verify': false }),
      /insecure-skip-tls-verify/,
    ],
    ['no context', JSON.stringify({ clusters: [], users: [], contexts: [] }), /leads to no cluster/],
  ])('is refused with %s, and what is said holds nothing of it', async (_, text, pattern) => {
    const error = await errorOf(kubeconfigCredentials(text));
    expect(error).toMatchObject({ code: 'KUBECONFIG_INVALID', message: expect.stringMatching(pattern) });
    expect(error.message).not.toContain(SECRET);
  });

  it('holds a token, or a name and a password', async () => {
    const headersOf = async (user: object): Promise<unknown> =>
      (await kubeconfigCredentials(kubeconfig('https://a/', user))).headers();
    expect(await headersOf({ token: 'abc' })).toEqual({ authorization: 'Bearer abc' });
    expect(await headersOf({ username: 'n', password: 'p' })).toEqual({ authorization: 'Basic bjpw' });
    expect(await headersOf({ token: 'abc', as: 'jane' })).toMatchObject({ 'impersonate-user': 'jane' });
  });
});

describe('the account of a Pod', () => {
  it('is read from where Kubernetes puts it', async () => {
    for (const [name, text] of Object.entries({ 'ca.crt': 'CA', token: 'tkn\n', namespace: 'shop' }))
      writeFileSync(join(folder, name), text);
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    const credentials = await inClusterCredentials(env, folder);
    expect(credentials).toMatchObject({ server: 'https://[fd00::1]:443', tls: { ca: 'CA' } });
    expect(await credentials.headers()).toEqual({ authorization: 'Bearer tkn' });
  });

  it('is missed in words where there is none', async () => {
    const env = { KUBERNETES_SERVICE_HOST: '10.0.0.1', KUBERNETES_SERVICE_PORT: '443' };
    expect((await errorOf(inClusterCredentials({}, '/nowhere'))).message).toContain(
      'KUBERNETES_SERVICE_HOST',
    );
    expect((await errorOf(inClusterCredentials(env, '/nowhere'))).message).toContain(
      '/nowhere/ca.crt cannot be read',
    );
  });
});

describe('a server that is no good', () => {
  let server: Server;
  let answer: (request: IncomingMessage, response: ServerResponse) => void;
  let connection: Connection;
  let url: string;

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    connection = new Connection(await kubeconfigCredentials(kubeconfig(url)));
  });
  afterEach(async () => {
    connection.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each<[string, number, string, string, RegExp]>([
    ['garbage', 200, '<html>', 'CLUSTER_UNREACHABLE', /its answer is no JSON/],
    ['a refusal that is no Status', 503, 'upstream down', 'CLUSTER_UNREACHABLE', /answered 503/],
    [
      'a Status',
      403,
      '{"reason":"Forbidden","message":"pods is forbidden"}',
      'FORBIDDEN',
      /^pods is forbidden$/,
    ],
    ['no word of its own', 401, '', 'UNAUTHORIZED', /answered 401/],
    ['that it is gone', 410, '{"reason":"Gone","message":"gone"}', 'EXPIRED', /gone/],
  ])('gives %s, and that is told for what it is', async (_, code, text, expected, message) => {
    answer = (__, response) => response.writeHead(code).end(text);
    const error = await errorOf(connection.ask({ path: '/api/v1' }));
    expect(error).toMatchObject({ code: expected, message: expect.stringMatching(message) });
    expect(error.message).not.toContain(SECRET);
  });

  it('does not answer at its port', async () => {
    const cluster = await openCluster({ kind: 'kubeconfig', text: kubeconfig('https://127.0.0.1:1') });
    const error = await errorOf(cluster.reader.list(POD));
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', retryable: true });
    expect(error.message).toContain('https://127.0.0.1:1: connect ECONNREFUSED');
    await cluster.close();
  });

  it.each<[string, readonly string[], RegExp]>([
    ['what is no JSON', ['{"type":"ADDED"\n'], /no JSON/],
    ['no object', ['{"type":"ADDED"}\n'], /no object/],
    ['an unknown type', ['{"type":"MOVED","object":{}}\n'], /no known type/],
    ['an object without metadata', ['{"type":"ADDED","object":{}}\n'], /object without metadata/],
    [
      'half a line',
      ['{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n', '{"type":"AD'],
      /ended within a line/,
    ],
    ['an error', ['{"type":"ERROR","object":{"code":500,"message":"etcd is gone"}}\n'], /^etcd is gone$/],
  ])('watches and says %s', async (_, chunks, message) => {
    answer = (__, response) => {
      for (const chunk of chunks) response.write(chunk);
      response.end();
    };
    const error = await errorOf(collect());
    expect(error).toMatchObject({ code: 'CLUSTER_UNREACHABLE', message: expect.stringMatching(message) });
  });

  it('watches, and falls silent: that is noticed, but not while its reader is busy', async () => {
    answer = (_, response) => void response.write('{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n');
    const request = {
      path: '/',
      signal: AbortSignal.timeout(5000),
      onOpen: () => undefined,
      silenceMaxMs: 100,
    };
    const lines = watchLines(connection, request);
    expect((await lines.next()).value).toMatchObject({ type: 'ADDED' });
    const busyUntilMs = Date.now() + 250;
    await expect.poll(() => Date.now(), { interval: 20 }).toBeGreaterThan(busyUntilMs);
    const waitedFromMs = Date.now();
    expect((await errorOf(lines.next())).message).toContain('the watch fell silent');
    expect(Date.now() - waitedFromMs).toBeGreaterThanOrEqual(90);
  });

  it('ends every watch at once, and is not asked again in the same breath', async () => {
    let asked = 0;
    answer = (request, response) => {
      asked += 1;
      response.setHeader('content-type', 'application/json');
      if (request.url === '/api/v1') response.end(JSON.stringify(RESOURCES));
      else
        response.end(
          request.url?.includes('watch=true') ? '' : '{"metadata":{"resourceVersion":"7"},"items":[]}',
        );
    };
    const cluster = clusterOf(await kubeconfigCredentials(kubeconfig(url)));
    const signal = AbortSignal.timeout(5000);
    const changes = cluster.reader.watch(POD, { since: '7', signal })[Symbol.asyncIterator]();
    expect((await errorOf(changes.next())).message).toContain('the watch was ended at once');
    expect(asked).toBe(3);
    await cluster.close();
  });

  it('knows no access reviews: then nothing is refused by one', async () => {
    answer = (request, response) => {
      if (request.url === '/api/v1') response.end(JSON.stringify(RESOURCES));
      else response.writeHead(404).end();
    };
    const cluster = clusterOf(await kubeconfigCredentials(kubeconfig(url)));
    expect(await cluster.refused([{ ...POD, verb: 'list', namespace: 'a' }])).toEqual({
      user: 'u',
      refused: [],
    });
    expect(await cluster.isNamespaced(POD)).toBe(true);
    expect(await cluster.isNamespaced({ apiVersion: 'v2', kind: 'Pod' })).toBeUndefined();
    await cluster.close();
  });

  async function collect(): Promise<void> {
    const request = { path: '/', signal: AbortSignal.timeout(5000), onOpen: () => undefined };
    for await (const line of watchLines(connection, request)) expect(line.object).toBeDefined();
  }
});
