import { beforeAll, describe, expect, it } from 'vitest';
import { registryAuth } from '../../../src/serving/control/registry-auth.ts';
import { World } from '../../kit/world.ts';

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64');
const auth = (user: string): string => Buffer.from(`${user}:pass:word`).toString('base64');

let world: World;
beforeAll(async () => {
  world = await World.open();
  const secret = (name: string, key: string, config: unknown) =>
    world.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: 'default' },
      data: { [key]: encoded(config) },
    });
  await secret('own', '.dockerconfigjson', {
    auths: {
      'registry.example.com': { auth: auth('host') },
      'https://registry.example.com/team/': { auth: auth('team') },
      'registry.example.com/team/app': { username: 'app', password: 'p' },
      '*.cloud.example.com': { auth: auth('any') },
      'https://index.docker.io/v1/': { auth: auth('hub') },
    },
  });
  await secret('old', '.dockercfg', { 'old.example.com': { auth: auth('old') } });
  await secret('broken', '.dockerconfigjson', 'no object');
  await world.apply({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: 'robot', namespace: 'default' },
    imagePullSecrets: [{ name: 'missing' }, { name: 'broken' }, { name: 'old' }],
  });
});

async function userFor(image: string, imagePullSecrets = [{ name: 'own' }]): Promise<string | undefined> {
  const spec = { serviceAccountName: 'robot', imagePullSecrets };
  const owner = { metadata: { name: 'r', namespace: 'default' }, spec };
  return (await registryAuth(world.controller, owner, image))?.username;
}

describe('the credentials of an image', () => {
  it.each([
    ['registry.example.com/other/app:1', 'host'],
    ['registry.example.com/team/other:1', 'team'],
    ['registry.example.com/team/app:1', 'app'],
    ['registry.example.com/teams/app:1', 'host'],
    ['eu.cloud.example.com/app', 'any'],
    ['a.eu.cloud.example.com/app', undefined],
    ['busybox', 'hub'],
    ['registry.example.com:5000/app', undefined],
    ['old.example.com/app', 'old'],
  ])('of %s are those of %s: of the entry that says most of its name', async (image, user) => {
    expect(await userFor(image)).toBe(user);
  });

  it('are the user and all that follows the first colon', async () => {
    const owner = { metadata: { name: 'r', namespace: 'default' }, spec: { serviceAccountName: 'robot' } };
    expect(await registryAuth(world.controller, owner, 'old.example.com/app')).toEqual({
      username: 'old',
      password: 'pass:word',
      serveraddress: 'old.example.com',
    });
  });

  it('are none where no secret has them', async () => {
    expect(await userFor('registry.example.com/app', [])).toBeUndefined();
  });
});
