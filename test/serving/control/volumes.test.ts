import { beforeAll, describe, expect, it } from 'vitest';
import type { Volume } from '../../../src/apis/serving/types.ts';
import { resolveVolumes, type Volumes } from '../../../src/serving/control/volumes.ts';
import { World } from '../../kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
  await world.apply({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'conf', namespace: 'default' },
    data: { a: '1', b: '2' },
    binaryData: { c: Buffer.from([0, 255]).toString('base64') },
  });
  await world.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'keys', namespace: 'default' },
    stringData: { token: 'sesame' },
  });
});

const resolve = (...volumes: Volume[]): Promise<Volumes> =>
  resolveVolumes(world.controller, {
    metadata: { name: 'r', namespace: 'default', labels: { app: 'x' } },
    spec: { volumes, containers: [{ name: 'c', resources: { limits: { cpu: '250m' } } }] },
  });
const file = (path: string, text: string, mode = 0o644) => ({ path, content: Buffer.from(text), mode });

describe('the volumes of a revision', () => {
  it('have a file for each key, or for those that are named, with their modes', async () => {
    expect(
      await resolve(
        { name: 'all', configMap: { name: 'conf' } },
        {
          name: 'some',
          secret: {
            secretName: 'keys',
            defaultMode: 0o400,
            items: [{ key: 'token', path: 'in/it', mode: 0o440 }],
          },
        },
      ),
    ).toEqual({
      kind: 'resolved',
      volumes: [
        {
          kind: 'files',
          name: 'all',
          files: [file('a', '1'), file('b', '2'), { path: 'c', content: Buffer.from([0, 255]), mode: 0o644 }],
        },
        { kind: 'files', name: 'some', files: [file('in/it', 'sesame', 0o440)] },
      ],
    });
  });

  it('project several objects and fields into one', async () => {
    const sources = [
      { secret: { name: 'keys' } },
      { configMap: { name: 'conf', items: [{ key: 'a', path: 'x/a' }] } },
      {
        downwardAPI: {
          items: [
            { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
            { path: 'pod', fieldRef: { fieldPath: 'metadata.name' } },
            { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu', divisor: '1m' } },
          ],
        },
      },
    ];
    expect(await resolve({ name: 'p', projected: { sources, defaultMode: 0o600 } })).toMatchObject({
      volumes: [
        {
          files: [
            file('token', 'sesame', 0o600),
            file('x/a', '1', 0o600),
            file('labels', 'app="x"', 0o600),
            { path: 'pod', content: 'instance id' },
            file('cpu', '250', 0o600),
          ],
        },
      ],
    });
  });

  it('may be empty, on disk or in memory', async () => {
    expect(
      await resolve(
        { name: 'e', emptyDir: {} },
        { name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
      ),
    ).toMatchObject({
      volumes: [
        { kind: 'empty', isMemory: false, bytesMax: undefined },
        { kind: 'empty', isMemory: true, bytesMax: 1_048_576 },
      ],
    });
  });

  it('do without what is optional', async () => {
    expect(await resolve({ name: 'v', secret: { secretName: 'x', optional: true } })).toMatchObject({
      volumes: [{ files: [] }],
    });
  });

  it.each<[string, Volume, string]>([
    [
      'object',
      { name: 'v', secret: { secretName: 'x' } },
      'Secret default/x is not there; make it with: kubectl create secret generic x -n default --from-literal=KEY=VALUE',
    ],
    [
      'key',
      { name: 'v', configMap: { name: 'conf', items: [{ key: 'x', path: 'x' }] } },
      'key x of ConfigMap default/conf is not there: it has a, b, c; add the key to it, or name another',
    ],
    [
      'path that climbs',
      { name: 'v', configMap: { name: 'conf', items: [{ key: 'a', path: '../a' }] } },
      'path ../a of ConfigMap default/conf leads out of its volume',
    ],
    [
      'claim',
      { name: 'v', persistentVolumeClaim: { claimName: 'c' } },
      'volume v is of persistentVolumeClaim, which this platform does not mount; it mounts secret, configMap, projected and emptyDir',
    ],
    [
      'token',
      { name: 'v', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
      'volume v projects a serviceAccountToken, and the API of this platform takes client certificates, no tokens; leave that source out',
    ],
  ])('say of a %s why it cannot be mounted', async (_, volume, reason) => {
    expect(await resolve(volume)).toEqual({ kind: 'missing', reason });
  });
});
