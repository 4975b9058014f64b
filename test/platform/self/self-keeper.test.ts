import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../../src/apis/core/endpoints.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { SelfKeeper } from '../../../src/platform/self/self-keeper.ts';
import { POD, SELF_LABEL, type SelfFacts } from '../../../src/platform/self/self-objects.ts';
import { namespace } from '../../kit/objects.ts';
import { World } from '../../kit/world.ts';

const DEADLINE = { timeout: 20_000 };
const FACTS: SelfFacts = {
  version: '1.0.0',
  kubernetes: 'v1.34.1',
  startedMs: Date.UTC(2030, 0, 1),
  hostName: 'here',
  gateway: { host: '127.0.0.1', port: 8080 },
  api: { host: '127.0.0.1', port: 8443 },
  inside: { host: '127.0.0.1', port: 8081 },
  cores: 2,
  memoryBytes: 1024 ** 3,
  kernel: '6.0 x64',
  pid: 1,
};

let world: World;
let running: SelfKeeper;
beforeEach(async () => {
  world = await World.open();
  await world.apply(namespace('istio-system'));
  running = start();
});
afterEach(() => running.close());

function start(): SelfKeeper {
  const keeper = new SelfKeeper(world.controller, FACTS, (error) => {
    throw error;
  });
  keeper.start(world.informers);
  return keeper;
}

async function pods(): Promise<readonly Resource[]> {
  const { items } = await world.controller.list(POD);
  return items.filter(({ metadata }) => metadata.labels?.[SELF_LABEL] === 'true');
}
const roles = async (): Promise<string[]> =>
  (await pods()).map(({ metadata }) => metadata.labels?.['app'] ?? '').toSorted();
const isKnown = (name: string): boolean =>
  world.informers.of(POD).get(`knative-serving/${name}`) !== undefined;
const activator = async (): Promise<string> =>
  (await pods()).find(({ metadata }) => metadata.labels?.['app'] === 'activator')?.metadata.name ?? '';

const PARTS = [
  'activator',
  'autoscaler',
  'controller',
  'eventing-controller',
  'eventing-webhook',
  'imc-dispatcher',
  'istio-ingressgateway',
  'knative-ingressgateway',
  'webhook',
];

describe('the objects that stand for the platform', () => {
  it('are one Pod for each of its parts, which comes back under another name when it is deleted', async () => {
    await expect.poll(roles, DEADLINE).toEqual(PARTS);
    const first = await activator();
    await expect.poll(() => isKnown(first), DEADLINE).toBe(true);
    await world.admin.remove(POD, 'knative-serving', first);
    await expect.poll(roles, DEADLINE).toEqual(PARTS);
    expect(await activator()).not.toBe(first);
  });

  it('tell where requests wait for instances', async () => {
    const known = (): Promise<unknown> => world.admin.find(ENDPOINTS, 'knative-serving', 'activator-service');
    await expect.poll(known, DEADLINE).toMatchObject({
      subsets: [
        { addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'http', port: 8081 }, { name: 'http2' }] },
      ],
    });
  });

  it('are as many after a restart: those of the former run go, and do not come back', async () => {
    await expect.poll(roles, DEADLINE).toEqual(PARTS);
    const former = await activator();
    await expect.poll(() => isKnown(former), DEADLINE).toBe(true);
    await running.close();
    running = start();
    await expect.poll(async () => [former, ''].includes(await activator()), DEADLINE).toBe(false);
    const second = await activator();
    await expect.poll(() => isKnown(second), DEADLINE).toBe(true); // and that the former are gone
    await world.admin.remove(POD, 'knative-serving', second);
    await expect.poll(async () => [second, ''].includes(await activator()), DEADLINE).toBe(false); // all else is done
    expect(await roles()).toEqual(PARTS);
  });
});
