import { beforeEach, describe, expect, it } from 'vitest';
import { ENDPOINT_SLICE, ENDPOINTS } from '../../../src/apis/core/endpoints.ts';
import { CORE_SERVICE } from '../../../src/apis/core/service.ts';
import type { Resource } from '../../../src/apis/resource.ts';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import type { Revision } from '../../../src/apis/serving/types.ts';
import { podAutoscalerOf } from '../../../src/serving/control/autoscaler-objects.ts';
import {
  podAutoscalerReconciler,
  type ScaleView,
} from '../../../src/serving/control/pod-autoscaler-reconciler.ts';
import type { ReadyInstance } from '../../../src/serving/control/scale-services.ts';
import { aRevision } from '../../kit/serving-objects.ts';
import { SCALE } from '../../kit/small-platform.ts';
import { World, type Stated } from '../../kit/world.ts';

const NAME = 'r-00001';
const TYPE = 'networking.internal.knative.dev/serviceType';
const OWNED_BY = 'networking.internal.knative.dev/serverlessservice';
const BOTH: readonly ReadyInstance[] = [
  { id: 'one', port: 4001 },
  { id: 'two', port: 4002 },
];

let world: World;
let revision: Revision;
beforeEach(async () => {
  world = await World.open();
  revision = (await world.apply(aRevision(NAME))) as Stated as Revision;
});

/** With as much room beyond what is asked for that instances are asked themselves, or with none at all. */
async function told(instances: readonly ReadyInstance[], mode: 'Serve' | 'Proxy'): Promise<void> {
  await world.controller.apply(podAutoscalerOf(revision));
  const view: ScaleView = {
    ready: instances.length,
    desired: instances.length,
    hasFailed: false,
    panic: 0,
    instances,
    scale: { ...SCALE, total: 10, burstCapacity: mode === 'Serve' ? 7 : -1 },
  };
  const reconciler = podAutoscalerReconciler(world.controller, {
    viewOf: () => view,
    configMap: () => undefined,
    door: { host: '127.0.0.1', port: 8081 },
    nowMs: () => world.clock.nowMs(),
  });
  await world.pass(reconciler, NAME);
}

/** The ready addresses of Endpoints, as kubectl prints them. */
async function placesOf(name: string): Promise<string[]> {
  type Subset = { addresses: { ip: string }[]; ports: { port: number }[] };
  const { subsets = [] } = (await world.get(ENDPOINTS, name)) as Stated & { subsets?: Subset[] };
  return subsets.flatMap(({ addresses, ports }) =>
    addresses.flatMap(({ ip }) => ports.map(({ port }) => `${ip}:${port}`)),
  );
}

describe('the Services of a revision', () => {
  it('are one of its name without a selector, and one of its instances alone', async () => {
    await told([], 'Proxy');
    const own = await world.get(CORE_SERVICE, NAME);
    const alone = await world.get(CORE_SERVICE, `${NAME}-private`);
    expect(own.metadata.labels).toMatchObject({ [TYPE]: 'Public', [OWNED_BY]: NAME });
    expect(alone.metadata.labels).toMatchObject({ [TYPE]: 'Private', [OWNED_BY]: NAME });
    for (const { metadata } of [own, alone])
      expect(metadata.ownerReferences).toMatchObject([{ kind: 'ServerlessService', controller: true }]);
    expect(own['spec']).not.toHaveProperty('selector');
    expect(alone['spec']).toMatchObject({ selector: { [LABELS.revisionUid]: revision.metadata.uid } });
    expect(portsOf(own)).toEqual(['http 80 8012', 'https 443 8112']);
    expect(portsOf(alone)).toEqual([
      'http 80 8012',
      'https 443 8112',
      'http-autometric 9090 http-autometric',
      'http-usermetric 9091 http-usermetric',
      'http-istio 8012 8012',
    ]);
  });

  it('are not written again while nothing changes', async () => {
    await told(BOTH, 'Serve');
    const before = world.version;
    await told(BOTH, 'Serve');
    expect(world.version).toBe(before);
  });

  it('name HTTP/2 where its port does', async () => {
    const ports = [{ name: 'h2c', containerPort: 0 }];
    const spec = { ...revision.spec, containers: [{ name: 'user-container', image: 'a', ports }] };
    revision = { ...revision, spec };
    await told([], 'Proxy');
    expect(portsOf(await world.get(CORE_SERVICE, NAME))[0]).toBe('http2 81 8013');
    expect((await world.get(CORE_SERVICE, NAME))['spec']).toMatchObject({
      ports: [{ appProtocol: 'kubernetes.io/h2c' }, {}],
    });
  });

  it.each([
    ['is at zero', [], 'Serve', ['127.0.0.1:8081']],
    ['is to have room for a burst', BOTH, 'Proxy', ['127.0.0.1:8081']],
    ['has room', BOTH, 'Serve', ['127.0.0.1:4001', '127.0.0.1:4002']],
  ] as const)('lead where requests go when it %s', async (_, instances, mode, expected) => {
    await told(instances, mode);
    expect(await placesOf(NAME)).toEqual(expected);
    expect(await placesOf(`${NAME}-private`)).toEqual(instances.map(({ port }) => `127.0.0.1:${port}`));
  });

  it('lose the endpoints of instances that have gone', async () => {
    await told(BOTH, 'Serve');
    await told(BOTH.slice(1), 'Serve');
    expect(await placesOf(`${NAME}-private`)).toEqual(['127.0.0.1:4002']);
    expect(await slicesOf(`${NAME}-private`)).toEqual(['127.0.0.1:4002 two']);
    expect(await slicesOf(NAME)).toEqual(['127.0.0.1:4002 two']);
    await told([], 'Serve');
    expect(await slicesOf(`${NAME}-private`)).toEqual([]);
    expect(await slicesOf(NAME)).toEqual(['127.0.0.1:8081 held']);
    expect(await placesOf(`${NAME}-private`)).toEqual([]);
    expect(await placesOf(NAME)).toEqual(['127.0.0.1:8081']);
  });
});

/** The EndpointSlices of a Service, as kubectl describes it by them. */
async function slicesOf(service: string): Promise<string[]> {
  const label = { matchLabels: { 'kubernetes.io/service-name': service } };
  const { items } = await world.controller.list<Slice>(ENDPOINT_SLICE, 'default', label);
  return items
    .flatMap(({ endpoints, ports }) =>
      endpoints.map(
        ({ addresses: [ip], targetRef }) => `${ip}:${ports[0]?.port} ${targetRef?.name ?? 'held'}`,
      ),
    )
    .toSorted();
}
type Slice = Resource & {
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly targetRef?: { name: string };
  }[];
  readonly ports: readonly { readonly port: number }[];
};

function portsOf(service: Stated): string[] {
  const { ports } = service['spec'] as { ports: { name: string; port: number; targetPort: unknown }[] };
  return ports.map(({ name, port, targetPort }) => `${name} ${port} ${String(targetPort)}`);
}
