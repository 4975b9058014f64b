import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { request, Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';

let api: TestApi;
const folder = temporaryFolder('kubectl');
beforeAll(async () => {
  const text = Buffer.from('one\ntwo\nthree\n');
  api = await openTestApi(folder, {
    read: ({ name }) =>
      name === 'printer'
        ? (async function* () {
            yield text;
          })()
        : undefined,
  });
});
afterAll(() => api.close());

const CONFIG = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  labels: {app: demo}
data:
  colour: blue
`;

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await api.kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.any(String) });
  return stdout;
}

describe('kubectl', { timeout: 60_000 }, () => {
  it('applies, applies again without a change, and applies a change of a custom or core kind it may merge', async () => {
    expect(await ok(['apply'], CONFIG)).toBe('configmap/settings created\n');
    expect(await ok(['apply'], CONFIG)).toBe('configmap/settings unchanged\n');
  });

  it('gets a table, wide, as JSON, YAML, name, JSONPath and custom columns', async () => {
    expect(await ok(['get', 'cm', 'settings'])).toMatch(/^NAME +DATA +AGE\nsettings +1 +\d+s\n$/);
    expect(JSON.parse(await ok(['get', 'cm', 'settings', '-o', 'json']))).toMatchObject({
      kind: 'ConfigMap',
      data: { colour: 'blue' },
    });
    expect(await ok(['get', 'cm', 'settings', '-o', 'yaml'])).toContain('  colour: blue');
    expect(await ok(['get', 'cm', 'settings', '-o', 'name'])).toBe('configmap/settings\n');
    expect(await ok(['get', 'cm', 'settings', '-o', 'jsonpath={.data.colour}'])).toBe('blue');
    expect(await ok(['get', 'cm', 'settings', '-o', 'custom-columns=N:.metadata.name'])).toBe(
      'N\nsettings\n',
    );
    expect(await ok(['get', 'ns', '-o', 'wide'])).toMatch(/^NAME +STATUS +AGE\n(?:.*\n)*default +Active/);
  });

  it('selects by label and field, in one namespace and in all', async () => {
    expect(await ok(['get', 'cm', '-l', 'app=demo', '-o', 'name'])).toBe('configmap/settings\n');
    expect(await ok(['get', 'cm', '-l', 'app in (other)', '-o', 'name'])).toBe('');
    expect(await ok(['get', 'cm', '-A', '--field-selector', 'metadata.name=settings'])).toMatch(
      /^NAMESPACE +NAME +DATA +AGE\ndefault +settings/,
    );
  });

  it('labels, annotates, patches by merge and by JSON patch, and edits', async () => {
    expect(await ok(['label', 'cm', 'settings', 'tier=a'])).toBe('configmap/settings labeled\n');
    expect(await ok(['annotate', 'cm', 'settings', 'note=x'])).toBe('configmap/settings annotated\n');
    expect(await ok(['patch', 'cm', 'settings', '--type=merge', '-p', '{"data":{"size":"large"}}'])).toBe(
      'configmap/settings patched\n',
    );
    expect(
      await ok([
        'patch',
        'cm',
        'settings',
        '--type=json',
        '-p',
        '[{"op":"replace","path":"/data/size","value":"small"}]',
      ]),
    ).toBe('configmap/settings patched\n');
    expect(JSON.parse(await ok(['get', 'cm', 'settings', '-o', 'json']))).toMatchObject({
      metadata: { labels: { app: 'demo', tier: 'a' }, annotations: { note: 'x' } },
      data: { colour: 'blue', size: 'small' },
    });
  });

  it('applies what has changed in a Secret and a ConfigMap, and patches without a type', async () => {
    const secretOf = (key: string): string =>
      `apiVersion: v1\nkind: Secret\nmetadata: {name: rotated}\nstringData: {${key}: of-${key}}\n`;
    expect(await ok(['apply'], secretOf('first'))).toBe('secret/rotated created\n');
    expect(await ok(['apply'], secretOf('second'))).toBe('secret/rotated configured\n');
    const { data } = JSON.parse(await ok(['get', 'secret', 'rotated', '-o', 'json'])) as { data: object };
    expect(data).toMatchObject({ second: Buffer.from('of-second').toString('base64') });
    await ok(['delete', 'secret', 'rotated']);

    const configOf = (data: string): string =>
      `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: changed}\ndata: {${data}}\n`;
    await ok(['apply'], configOf('a: one, b: two'));
    expect(await ok(['apply'], configOf('b: three'))).toBe('configmap/changed configured\n');
    await ok(['patch', 'cm', 'changed', '-p', '{"data":{"c":"four"}}']);
    expect(JSON.parse(await ok(['get', 'cm', 'changed', '-o', 'json']))).toMatchObject({
      data: { b: 'three', c: 'four' },
    });
    expect(await ok(['get', 'cm', 'changed', '-o', 'jsonpath={.data.a}'])).toBe('');
    await ok(['delete', 'cm', 'changed']);
  });

  it('creates, describes and deletes', async () => {
    expect(await ok(['create', 'secret', 'generic', 'token', '--from-literal=key=hidden'])).toBe(
      'secret/token created\n',
    );
    const described = await ok(['describe', 'secret', 'token']);
    expect(described).toContain('key:  6 bytes');
    expect(described).not.toContain('hidden');
    expect(await ok(['delete', 'secret', 'token'])).toMatch(/^secret "token" deleted/);
    expect((await api.kubectl(['get', 'secret', 'token'])).stderr).toBe(
      'Error from server (NotFound): secrets "token" not found\n',
    );
  });

  it('explains, and lists what the API has', async () => {
    expect(await ok(['explain', 'configmap.data'])).toContain('Text by key.');
    const resources = await ok(['api-resources']);
    expect(resources).toMatch(/^configmaps +cm +v1 +true +ConfigMap$/m);
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
    expect(await ok(['api-versions'])).toContain('apps/v1\n');
    expect(await ok(['version'])).toContain('Server Version: v1.34.1');
    expect(await ok(['auth', 'whoami'])).toContain('admin');
  });

  it('waits for a condition and for a deletion', async () => {
    await ok(['create', 'ns', 'short-lived']);
    const waiting = api.kubectl(['wait', '--for=delete', 'ns/short-lived', '--timeout=10s']);
    await ok(['delete', 'ns', 'short-lived']);
    expect(await waiting).toMatchObject({ code: 0 });
    expect(
      await ok(['wait', '--for=jsonpath={.status.phase}=Active', 'ns/default', '--timeout=5s']),
    ).toContain('condition met');
  });

  it('watches', async () => {
    const env = { ...process.env, HOME: folder, KUBECONFIG: api.kubeconfig };
    const watching = spawn('kubectl', ['get', 'cm', '-w', '-o', 'name'], {
      env,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let seen = '';
    watching.stdout.on('data', (chunk) => (seen += String(chunk)));
    await expect.poll(() => seen, { timeout: 10_000 }).toContain('configmap/settings');
    await ok(['create', 'configmap', 'later']);
    await expect.poll(() => seen, { timeout: 10_000 }).toContain('configmap/later');
    watching.kill();
  });

  it('dry-runs on the server, and changes nothing', async () => {
    expect(await ok(['create', 'cm', 'dry', '--dry-run=server'])).toBe(
      'configmap/dry created (server dry run)\n',
    );
    expect((await api.kubectl(['get', 'cm', 'dry'])).code).toBe(1);
  });

  it('shows what a Pod has printed', async () => {
    await ok(
      ['apply'],
      'apiVersion: v1\nkind: Pod\nmetadata: {name: printer}\nspec: {containers: [{name: user-container, image: x}]}\n',
    );
    expect(await ok(['logs', 'printer'])).toBe('one\ntwo\nthree\n');
  });

  it.each<[string, readonly string[], string | undefined, RegExp]>([
    [
      'an unknown field',
      ['create'],
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndatas: {a: b}\n',
      /strict decoding error: unknown field "datas"/,
    ],
    [
      'a wrong type',
      ['create'],
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1}\n',
      /data.a.*must be of type string: "number"|unable to decode|invalid/i,
    ],
    [
      'a bad name',
      ['create'],
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Big_Name}\n',
      /metadata.name: Invalid value: "Big_Name": a lowercase RFC 1123 subdomain must consist of/,
    ],
    ['what exists', ['create', 'cm', 'settings'], undefined, /configmaps "settings" already exists/],
    [
      'a missing namespace',
      ['create', 'cm', 'x', '-n', 'nowhere'],
      undefined,
      /namespaces "nowhere" not found/,
    ],
    [
      'server-side apply',
      ['apply', '--server-side'],
      CONFIG,
      /server-side apply is not supported by this version of Millrace/,
    ],
    [
      'a strategic merge patch that is none',
      ['patch', 'cm', 'settings', '-p', '{"metadata":{"$patch":"merge-all"}}'],
      undefined,
      /Unknown patch type found/,
    ],
    [
      'a CRD of a user',
      ['create'],
      'apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b.c}\nspec: {group: b.c}\n',
      /CustomResourceDefinitions of users are not supported/,
    ],
  ])('is told plainly what is wrong with %s', async (_, args, input, text) => {
    const { code, stderr } = await api.kubectl(args, input);
    expect(code).toBe(1);
    expect(stderr).toMatch(text);
  });
});

describe('the door of the API', () => {
  const insecure = new Agent({ connect: { rejectUnauthorized: false } });
  const ask = (path: string, headers: Record<string, string> = {}) =>
    request(`https://127.0.0.1:${api.port}${path}`, { dispatcher: insecure, headers });

  it('knows nobody without a certificate, but for its health and version', async () => {
    const refused = await ask('/api/v1/secrets');
    expect(refused.statusCode).toBe(401);
    expect(await refused.body.json()).toMatchObject({ kind: 'Status', reason: 'Unauthorized', code: 401 });
    expect((await ask('/readyz')).statusCode).toBe(200);
    expect((await ask('/version')).statusCode).toBe(200);
  });

  it('refuses a name that was rebound to this machine', async () => {
    expect((await ask('/version', { host: 'evil.test' })).statusCode).toBe(421);
  });

  it('keeps its credentials to its owner', () => {
    for (const file of ['kubeconfig', 'pki/ca.key', 'pki/admin.key'])
      expect(statSync(join(folder, file)).mode & 0o077).toBe(0);
  });
});
