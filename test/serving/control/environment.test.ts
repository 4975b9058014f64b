import { beforeAll, describe, expect, it } from 'vitest';
import type { Container } from '../../../src/apis/serving/types.ts';
import { resolveEnvironment, type Environment } from '../../../src/serving/control/environment.ts';
import { World } from '../../kit/world.ts';

const OWNER = {
  metadata: { name: 'r', namespace: 'default', labels: { app: 'x' } },
  spec: { serviceAccountName: 'robot' },
};

let world: World;
beforeAll(async () => {
  world = await World.open();
  await world.configMap('default', 'settings', { COLOR: 'blue', SIZE: '3' });
  await world.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys', namespace: 'default' },
    data: { TOKEN: Buffer.from('sécret').toString('base64') },
  });
});
const resolve = (container: Container): Promise<Environment> =>
  resolveEnvironment(world.controller, OWNER, container);

describe('the variables of a container', () => {
  it('come from values, Secrets and ConfigMaps, and the later one of a name wins', async () => {
    const resolved = await resolve({
      envFrom: [{ configMapRef: { name: 'settings' } }, { prefix: 'S_', secretRef: { name: 'keys' } }],
      env: [
        { name: 'PLAIN', value: 'x' },
        { name: 'EMPTY' },
        { name: 'COLOR', value: 'red' },
        { name: 'T', valueFrom: { secretKeyRef: { name: 'keys', key: 'TOKEN' } } },
        { name: 'N', valueFrom: { configMapKeyRef: { name: 'settings', key: 'SIZE' } } },
      ],
    });
    expect(resolved).toEqual({
      kind: 'resolved',
      env: { COLOR: 'red', SIZE: '3', S_TOKEN: 'sécret', PLAIN: 'x', EMPTY: '', T: 'sécret', N: '3' },
      idEnv: [],
    });
  });

  it.each<[string, Container, string]>([
    [
      'Secret',
      { envFrom: [{ secretRef: { name: 'x' } }] },
      'Secret default/x is not there; make it with: kubectl create secret generic x -n default --from-literal=KEY=VALUE',
    ],
    [
      'ConfigMap',
      { envFrom: [{ configMapRef: { name: 'x' } }] },
      'ConfigMap default/x is not there; make it with: kubectl create configmap x -n default --from-literal=KEY=VALUE',
    ],
    [
      'key',
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'B' } } }] },
      'key B of Secret default/keys is not there: it has TOKEN; add the key to it, or name another',
    ],
    [
      'object of a key',
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'B' } } }] },
      'key B of ConfigMap default/x is not there: there is no such ConfigMap; make it with: kubectl create configmap x -n default --from-literal=B=VALUE',
    ],
  ])('name the %s that is missing', async (_, container, reason) => {
    expect(await resolve(container)).toEqual({ kind: 'missing', reason });
  });

  it('do without what is optional', async () => {
    const resolved = await resolve({
      envFrom: [{ secretRef: { name: 'x', optional: true } }],
      env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'B', optional: true } } }],
    });
    expect(resolved).toEqual({ kind: 'resolved', env: {}, idEnv: [] });
  });

  it('name those before them in their values, and only in values that are written', async () => {
    await world.configMap('default', 'refers', { ODD: '$(A)', 'a=b': 'no name' });
    const resolved = await resolve({
      envFrom: [{ configMapRef: { name: 'refers' } }],
      env: [
        { name: 'A', value: 'one' },
        { name: 'B', value: '$(A)-$(LATER)-$$(A)' },
        { name: 'C', valueFrom: { configMapKeyRef: { name: 'refers', key: 'ODD' } } },
        { name: 'LATER', value: 'x' },
      ],
    });
    expect(resolved).toMatchObject({
      env: { ODD: '$(A)', A: 'one', B: 'one-$(LATER)-$(A)', C: '$(A)', LATER: 'x' },
    });
  });

  it('come from fields of the Pod and from limits', async () => {
    const of = (name: string, fieldPath: string) => ({ name, valueFrom: { fieldRef: { fieldPath } } });
    const env = [
      of('POD', 'metadata.name'),
      of('NS', 'metadata.namespace'),
      of('APP', "metadata.labels['app']"),
      of('SA', 'spec.serviceAccountName'),
      of('IP', 'status.podIP'),
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
    ];
    expect(await resolve({ env, resources: { limits: { memory: '64Mi' } } })).toEqual({
      kind: 'resolved',
      env: { NS: 'default', APP: 'x', SA: 'robot', IP: '127.0.0.1', MEM: '64' },
      idEnv: ['POD'],
    });
    expect(await resolve({ env: [of('X', 'status.phase')] })).toEqual({
      kind: 'missing',
      reason: 'variable X is of field status.phase, which no instance has here',
    });
  });
});
