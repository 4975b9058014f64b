import { beforeAll, describe, expect, it } from 'vitest';
import type { Volume } from '../../../src/apis/serving/types.ts';
import type { AccountTokens } from '../../../src/serving/control/account-tokens.ts';
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

/** Tells in each token what it was asked for; the one account that is not there is `nobody`. */
const tokens: AccountTokens = async (asked) =>
  asked.account === 'nobody'
    ? { kind: 'missing', reason: 'there is no nobody' }
    : { kind: 'token', token: JSON.stringify(asked), renewAtMs: asked.expirationSeconds };

const resolveAs = (serviceAccountName: string | undefined, ...volumes: Volume[]): Promise<Volumes> =>
  resolveVolumes(
    { reader: world.controller, tokens },
    {
      metadata: { name: 'r', namespace: 'default', labels: { app: 'x' } },
      spec: {
        volumes,
        ...(serviceAccountName !== undefined && { serviceAccountName }),
        containers: [{ name: 'c', resources: { limits: { cpu: '250m' } } }],
      },
    },
  );
const resolve = (...volumes: Volume[]): Promise<Volumes> => resolveAs(undefined, ...volumes);
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
      { name: 'v', projected: { sources: [{ serviceAccountToken: { path: '../t' } }] } },
      'path ../t of a serviceAccountToken leads out of its volume',
    ],
  ])('say of a %s why it cannot be mounted', async (_, volume, reason) => {
    expect(await resolve(volume)).toEqual({ kind: 'missing', reason });
  });

  it('project tokens of its account, and say when the first of them is to be renewed', async () => {
    const sources = [
      { serviceAccountToken: { path: 'api' } },
      { serviceAccountToken: { path: 'in/vault', audience: 'vault', expirationSeconds: 600 } },
    ];
    const volume = { name: 'p', projected: { sources, defaultMode: 0o400 } };
    const asked = { namespace: 'default', account: 'default' };
    expect(await resolve(volume)).toEqual({
      kind: 'resolved',
      renewAtMs: 600,
      volumes: [
        {
          kind: 'files',
          name: 'p',
          files: [
            file('api', JSON.stringify({ ...asked, expirationSeconds: 3600 }), 0o400),
            file('in/vault', JSON.stringify({ ...asked, audience: 'vault', expirationSeconds: 600 }), 0o400),
          ],
        },
      ],
    });
    expect(await resolveAs('nobody', volume)).toEqual({ kind: 'missing', reason: 'there is no nobody' });
  });
});
