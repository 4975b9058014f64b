import { request, Agent } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openTestApi, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';

const folder = temporaryFolder('scale');
const OBJECTS = `
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {name: clicks}
spec:
  topics: [clicks]
  bootstrapServers: ['kafka.example:9092']
  sink: {uri: 'http://sink.example/'}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web, tier: front}, matchExpressions: [{key: env, operator: In, values: [b, a]}]}
  template: {metadata: {labels: {app: web, tier: front, env: a}}, spec: {containers: [{name: web, image: web}]}}
`;
const CLICKS = '/apis/sources.knative.dev/v1/namespaces/default/kafkasources/clicks/scale';
const WEB = '/apis/apps/v1/namespaces/default/deployments/web/scale';

let api: TestApi;
let agent: Agent;
beforeAll(async () => {
  api = await openTestApi(folder);
  const read = (name: string): Buffer => readFileSync(join(folder, 'pki', name));
  agent = new Agent({ connect: { ca: read('ca.crt'), cert: read('admin.crt'), key: read('admin.key') } });
  await ok(['apply'], OBJECTS);
});
afterAll(async () => {
  await agent.close();
  await api.close();
});

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await api.kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}
const wanted = (what: string, path: string): Promise<string> => ok(['get', what, '-o', `jsonpath={${path}}`]);

async function put(path: string, scale: object): Promise<{ code: number; answer: unknown }> {
  const { statusCode: code, body } = await request(`https://127.0.0.1:${api.port}${path}`, {
    dispatcher: agent,
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(scale),
  });
  return { code, answer: await body.json() };
}

describe('kubectl scale', { timeout: 60_000 }, () => {
  it('says how many consumers of a KafkaSource are wanted, and how many replicas of a Deployment', async () => {
    expect(await ok(['scale', 'kafkasource/clicks', '--replicas=3'])).toBe(
      'kafkasource.sources.knative.dev/clicks scaled\n',
    );
    expect(await wanted('kafkasource/clicks', '.spec.consumers')).toBe('3');
    expect(await wanted('kafkasource/clicks', '.metadata.generation')).toBe('2');
    expect(await ok(['scale', 'deployment', 'web', '--replicas=0'])).toBe('deployment.apps/web scaled\n');
    expect(await wanted('deployment/web', '.spec.replicas')).toBe('0');
  });

  it('changes nothing when another number is there than it is told', async () => {
    await ok(['scale', 'kafkasource/clicks', '--replicas=2']);
    const { code, stderr } = await api.kubectl([
      'scale',
      'kafkasource/clicks',
      '--current-replicas=5',
      '--replicas=7',
    ]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: 'error: Expected replicas to be 5, was 2\n',
    });
    await ok(['scale', 'kafkasource/clicks', '--current-replicas=2', '--replicas=4']);
    expect(await wanted('kafkasource/clicks', '.spec.consumers')).toBe('4');
  });

  it('is refused what the kind refuses, in its words', async () => {
    const { code, stderr } = await api.kubectl(['scale', 'kafkasource/clicks', '--replicas=101']);
    expect(code).toBe(1);
    expect(stderr).toContain('expected 0 <= 101 <= 100: spec.consumers');
  });

  it('is refused for a kind that has no scale, and an object that is not there', async () => {
    const secret = await api.kubectl(['scale', 'namespace/default', '--replicas=2']);
    expect(secret.stderr).toBe(
      'Error from server (NotFound): the server could not find the requested resource\n',
    );
    const missing = await api.kubectl(['scale', 'kafkasource/other', '--replicas=2']);
    expect(missing.stderr).toContain('kafkasources.sources.knative.dev "other" not found');
  });

  it('shows, edits and patches the Scale itself', async () => {
    await ok([
      'patch',
      'deployment/web',
      '--subresource=scale',
      '--type=merge',
      '-p',
      '{"spec":{"replicas":6}}',
    ]);
    const scale: unknown = JSON.parse(await ok(['get', '--raw', WEB]));
    expect(scale).toEqual({
      kind: 'Scale',
      apiVersion: 'autoscaling/v1',
      metadata: {
        name: 'web',
        namespace: 'default',
        uid: expect.any(String),
        resourceVersion: expect.any(String),
        creationTimestamp: expect.any(String),
      },
      spec: { replicas: 6 },
      status: { replicas: 0, selector: 'app=web,env in (a,b),tier=front' },
    });
    expect(
      await ok(['get', 'deployment/web', '--subresource=scale', '-o', 'jsonpath={.spec.replicas}']),
    ).toBe('6');
  });

  it('takes a whole Scale, unless it is outdated, negative or another’s', async () => {
    const before = JSON.parse(await ok(['get', '--raw', CLICKS])) as {
      metadata: Record<string, unknown>;
      spec: Record<string, unknown>;
    };
    expect(await put(CLICKS, { ...before, spec: { replicas: 9 } })).toMatchObject({
      code: 200,
      answer: { kind: 'Scale', spec: { replicas: 9 } },
    });
    expect(await put(CLICKS, before)).toMatchObject({ code: 409, answer: { reason: 'Conflict' } });
    const { resourceVersion: _version, ...metadata } = before.metadata;
    const anew = { ...before, metadata };
    expect(await put(CLICKS, { ...anew, spec: { replicas: -1 } })).toMatchObject({
      code: 422,
      answer: {
        message:
          'Scale.autoscaling "clicks" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
      },
    });
    expect(await put(CLICKS, { ...anew, metadata: { ...metadata, name: 'other' } })).toMatchObject({
      code: 400,
    });
    expect(await put(CLICKS, { ...anew, kind: 'KafkaSource' })).toMatchObject({ code: 400 });
    expect(await wanted('kafkasource/clicks', '.spec.consumers')).toBe('9');
    expect(await put(CLICKS, { ...anew, spec: {} })).toMatchObject({ code: 200, answer: { spec: {} } });
    expect(await wanted('kafkasource/clicks', '.spec.consumers')).toBe('0');
  });

  it('is what discovery says', async () => {
    const list = JSON.parse(await ok(['get', '--raw', '/apis/sources.knative.dev/v1'])) as {
      resources: { name: string }[];
    };
    expect(list.resources.find(({ name }) => name === 'kafkasources/scale')).toEqual({
      name: 'kafkasources/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    });
    expect(list.resources.filter(({ name }) => name.endsWith('/scale'))).toHaveLength(1);
  });
});
