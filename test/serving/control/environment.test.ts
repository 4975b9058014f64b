import { beforeAll, describe, expect, it } from 'vitest';
import type { Container } from '../../../src/apis/serving/types.ts';
import { resolveEnvironment, type Environment } from '../../../src/serving/control/environment.ts';
import { World } from '../../kit/world.ts';

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
  resolveEnvironment(world.controller, 'default', container);

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
    });
  });

  it.each<[string, Container, string]>([
    ['Secret', { envFrom: [{ secretRef: { name: 'x' } }] }, 'Secret default/x is not there'],
    ['ConfigMap', { envFrom: [{ configMapRef: { name: 'x' } }] }, 'ConfigMap default/x is not there'],
    [
      'key',
      { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'keys', key: 'B' } } }] },
      'key B of Secret default/keys is not there',
    ],
    [
      'object of a key',
      { env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'B' } } }] },
      'key B of ConfigMap default/x is not there',
    ],
  ])('name the %s that is missing', async (_, container, reason) => {
    expect(await resolve(container)).toEqual({ kind: 'missing', reason });
  });

  it('do without what is optional', async () => {
    const resolved = await resolve({
      envFrom: [{ secretRef: { name: 'x', optional: true } }],
      env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'x', key: 'B', optional: true } } }],
    });
    expect(resolved).toEqual({ kind: 'resolved', env: {} });
  });
});
