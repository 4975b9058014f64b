import { existsSync, readFileSync, statSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API_AUDIENCE, TokenAuthority } from '../../src/apiserver/tokens/token-authority.ts';
import { bearerOf } from '../../src/apiserver/tokens/accounts.ts';
import { openTestApi, type TestApi } from '../kit/api-server.ts';
import { FakeClock } from '../kit/fake-clock.ts';
import { temporaryFolder } from '../kit/folders.ts';

const folder = temporaryFolder('tokens');
let api: TestApi;
beforeAll(async () => {
  api = await openTestApi(folder);
  await api.kubectl(['create', 'serviceaccount', 'robot']);
});
afterAll(() => api.close());

/** What the API answers to who shows a token, and no certificate. */
function ask(
  token: string,
  path: string,
  method = 'GET',
): Promise<{ code: number; body: Record<string, unknown> }> {
  const ca = readFileSync(join(folder, 'pki', 'ca.crt'));
  const options = {
    host: '127.0.0.1',
    port: api.port,
    path,
    method,
    ca,
    headers: { authorization: `Bearer ${token}` },
  };
  return new Promise((resolve, reject) => {
    const asked = httpsRequest(options, (answer) => {
      let text = '';
      answer.on('data', (chunk) => (text += String(chunk)));
      answer.on('end', () => resolve({ code: answer.statusCode ?? 0, body: JSON.parse(text) as never }));
    });
    asked.on('error', reject).end();
  });
}

async function tokenOf(...args: string[]): Promise<string> {
  const { stdout, stderr } = await api.kubectl(['create', 'token', 'robot', ...args]);
  expect(stderr).toBe('');
  return stdout.trim();
}

async function review(token: string, audiences?: readonly string[]): Promise<unknown> {
  const object = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, ...(audiences && { audiences }) },
  };
  const { stdout, stderr } = await api.kubectl(
    ['create', '-o', 'json', '--validate=false'],
    JSON.stringify(object),
  );
  return stdout === '' ? stderr : (JSON.parse(stdout) as { status: unknown }).status;
}

describe('kubectl create token', () => {
  it('makes one that says who its account is, for whom it is, and until when', async () => {
    const token = await tokenOf('--audience=api', '--duration=10m');
    expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'ES256', kid: expect.any(String) });
    const claims = decodeJwt(token);
    const account = api.store.find({
      group: '',
      kind: 'ServiceAccount',
      namespace: 'default',
      name: 'robot',
    });
    expect(claims).toMatchObject({
      iss: API_AUDIENCE,
      sub: 'system:serviceaccount:default:robot',
      aud: ['api'],
      'kubernetes.io': {
        namespace: 'default',
        serviceaccount: { name: 'robot', uid: account?.metadata.uid },
      },
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(600);
  });

  it('refuses, in the words of Kubernetes, less than ten minutes and an account that is not there', async () => {
    const short = await api.kubectl(['create', 'token', 'robot', '--duration=1m']);
    expect(short.stderr).toContain(
      'spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
    );
    const nobody = await api.kubectl(['create', 'token', 'nobody']);
    expect(nobody.stderr).toContain('serviceaccounts "nobody" not found');
    const unbound = ['create', 'token', 'robot', '--bound-object-kind=Secret', '--bound-object-name=no-such'];
    expect((await api.kubectl(unbound)).stderr).toContain('secrets "no-such" not found');
  });
});

describe('who shows a token of an account', () => {
  it('is that account, may ask who it is and what there is, and nothing else', async () => {
    const token = await tokenOf();
    const who = await ask(token, '/apis/authentication.k8s.io/v1/selfsubjectreviews', 'POST');
    expect(who).toMatchObject({
      code: 201,
      body: {
        status: {
          userInfo: {
            username: 'system:serviceaccount:default:robot',
            groups: ['system:serviceaccounts', 'system:serviceaccounts:default', 'system:authenticated'],
          },
        },
      },
    });
    expect((await ask(token, '/apis')).code).toBe(200);
    for (const path of ['/api/v1/namespaces/default/secrets', '/apis/platform.millrace.dev/v1/images'])
      expect(await ask(token, path)).toMatchObject({
        code: 403,
        body: {
          reason: 'Forbidden',
          message: expect.stringContaining('system:serviceaccount:default:robot'),
        },
      });
    const more = '/api/v1/namespaces/default/serviceaccounts/robot/token';
    expect((await ask(token, more, 'POST')).code).toBe(403);
  });

  it('is nobody with one for somebody else, one of somebody else, or none', async () => {
    const other = TokenAuthority.open(temporaryFolder('other'), new FakeClock(Date.now()));
    const claims = { namespace: 'default', account: { name: 'robot', uid: 'x' }, bound: undefined };
    const forged = await other.issue(claims, [API_AUDIENCE], 600);
    const tokens = [await tokenOf('--audience=vault'), forged.token, 'a.b.c', (await tokenOf()).slice(0, -2)];
    for (const token of tokens) expect(await ask(token, '/apis')).toMatchObject({ code: 401 });
  });
});

describe('a TokenReview', () => {
  it('says whose a token is, for the audiences that it is for', async () => {
    const token = await tokenOf('--audience=vault', '--audience=other');
    expect(await review(token, ['vault', 'third'])).toMatchObject({
      authenticated: true,
      user: {
        username: 'system:serviceaccount:default:robot',
        groups: expect.arrayContaining(['system:serviceaccounts']),
      },
      audiences: ['vault'],
    });
    expect(await review(token)).toMatchObject({ error: expect.stringContaining('audiences'), user: {} });
  });

  it('knows none whose account, or what it is bound to, is gone or another by now', async () => {
    await api.kubectl(['create', 'serviceaccount', 'brief']);
    await api.kubectl(['create', 'secret', 'generic', 'hold']);
    const bound = await tokenOf('--bound-object-kind=Secret', '--bound-object-name=hold');
    const brief = (await api.kubectl(['create', 'token', 'brief'])).stdout.trim();
    expect(await review(bound)).toMatchObject({ authenticated: true });
    expect(await review(brief)).toMatchObject({ authenticated: true });
    await api.kubectl(['delete', 'secret', 'hold']);
    await api.kubectl(['delete', 'serviceaccount', 'brief']);
    await api.kubectl(['create', 'serviceaccount', 'brief']);
    for (const token of [bound, brief]) expect(await review(token)).not.toHaveProperty('authenticated');
  });
});

describe('the key of the tokens', () => {
  it('is kept for the next start, and for nobody else', async () => {
    const [keys, clock] = [temporaryFolder('keys'), new FakeClock(Date.now())];
    const claims = { namespace: 'n', account: { name: 'a', uid: 'u' }, bound: undefined };
    const { token, expiresMs } = await TokenAuthority.open(keys, clock).issue(claims, ['x'], 600);
    expect(statSync(join(keys, 'service-accounts.key')).mode & 0o777).toBe(0o600);
    const next = TokenAuthority.open(keys, clock);
    expect(await next.verify(token, ['x'])).toEqual({ ...claims, audiences: ['x'] });
    const objects = { find: () => undefined };
    expect(await bearerOf(next, objects, token, ['x'])).toBeUndefined();
    clock.advance(expiresMs - clock.nowMs() + 1000);
    expect(await next.verify(token, ['x'])).toBeUndefined();
    expect(existsSync(join(keys, 'service-accounts.key.new'))).toBe(false);
  });
});
