import { beforeEach, describe, expect, it } from 'vitest';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { SINK_BINDING, type Subject } from '../../../src/apis/sources/sink-binding/schema.ts';
import { CHANNEL } from '../../../src/channels/control/channel-reconciler.ts';
import { sinkBindingReconciler } from '../../../src/sources/control/sink-binding-reconciler.ts';
import { aService } from '../../kit/serving-objects.ts';
import { conditionIn, World, type Stated } from '../../kit/world.ts';

const SERVICE = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' };
const SINK = { uri: 'http://sink.example/' };
const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace' };
let world: World;

beforeEach(async () => {
  world = await World.open();
});

const apply = (subject: Subject, sink: object = SINK, name = 'binding', more: object = {}): Promise<Stated> =>
  world.apply({
    ...SINK_BINDING,
    metadata: { name, namespace: 'default' },
    spec: { sink, subject, ...more },
  });
/** Until its own writes make it look no more. */
async function pass(name = 'binding'): Promise<void> {
  for (let before = ''; before !== world.version; await world.pass(reconciler(), name))
    before = world.version;
}
const reconciler = () => sinkBindingReconciler(world.controller);
const binding = (name = 'binding'): Promise<Stated> => world.get(SINK_BINDING, name);
const condition = async (type: string, name = 'binding') => conditionIn(await binding(name), type);
async function sinkOf(name: string): Promise<string | undefined> {
  const { spec } = (await world.get(KINDS.service, name)) as unknown as {
    spec: { template: { spec: { containers: { env?: { name: string; value: string }[] }[] } } };
  };
  return spec.template.spec.containers[0]?.env?.find((variable) => variable.name === 'K_SINK')?.value;
}

describe('a SinkBinding', () => {
  it('has its subject carry its sink, and says so as upstream does', async () => {
    await world.apply(aService());
    await apply({ ...SERVICE, name: 'hello' });
    await pass();
    expect(await sinkOf('hello')).toBe(SINK.uri);
    const stored = await binding();
    expect(stored.status?.['sinkUri']).toBe(SINK.uri);
    for (const type of ['Ready', 'SinkBindingAvailable', 'SinkProvided', 'TrustBundlePropagated'])
      expect(conditionIn(stored, type)).toEqual({ status: 'True' });
    expect(conditionIn(stored, 'OIDCTokenSecretCreated')).toEqual({
      status: 'True',
      reason: 'authentication-oidc feature disabled',
    });
    const space = await world.controller.find(NAMESPACE, undefined, 'default');
    expect(space?.metadata.labels).toMatchObject({ 'bindings.knative.dev/include': 'true' });
  });

  it('is not undone by whoever writes the subject anew, and follows its sink', async () => {
    await world.apply(aService());
    await apply({ ...SERVICE, name: 'hello' });
    await pass();
    await world.apply(aService({ container: { env: [{ name: 'WHO', value: 'me' }] } }));
    expect(await sinkOf('hello')).toBe(SINK.uri);
    await apply({ ...SERVICE, name: 'hello' }, { uri: 'http://other.example/' });
    await pass();
    expect(await sinkOf('hello')).toBe('http://other.example/');
  });

  it('binds what is made after it, before anything can run without', async () => {
    await apply({ ...SERVICE, name: 'hello' });
    await pass();
    expect(await condition('SinkBindingAvailable')).toEqual({
      status: 'False',
      reason: 'SubjectMissing',
      message: 'services.serving.knative.dev "hello" not found',
    });
    const { spec } = (await world.apply(aService())) as unknown as { spec: unknown };
    expect(JSON.stringify(spec)).toContain('K_SINK');
    await pass();
    expect(await condition('Ready')).toEqual({ status: 'True' });
  });

  it('chooses by labels, and passes over what opted out', async () => {
    const labels = { tier: 'edge' };
    await world.apply(aService({ name: 'one', metadata: { name: 'one', labels } }));
    const out = { ...labels, 'bindings.knative.dev/exclude': 'true' };
    await world.apply(aService({ name: 'two', metadata: { name: 'two', labels: out } }));
    await world.apply(aService({ name: 'three' }));
    await apply({ ...SERVICE, selector: { matchLabels: labels } });
    await pass();
    expect([await sinkOf('one'), await sinkOf('two'), await sinkOf('three')]).toEqual([
      SINK.uri,
      undefined,
      undefined,
    ]);
    expect(await condition('Ready')).toEqual({ status: 'True' });
    await apply({ ...SERVICE, name: 'two' });
    await pass();
    expect(await condition('Ready')).toMatchObject({ status: 'False', reason: 'SubjectExcluded' });
  });

  it('waits for its sink, in words', async () => {
    await world.apply(aService());
    await apply({ ...SERVICE, name: 'hello' }, { ref: { ...CHANNEL, name: 'orders' } });
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'False',
      reason: 'NoAddressable',
      message: 'Addressable could not be extracted from destination: Channel default/orders is not found',
    });
    expect(await sinkOf('hello')).toBeUndefined();
  });

  it('says which subject it cannot bind, and why', async () => {
    await world.apply({
      ...KINDS.deployment,
      metadata: {
        name: 'foreign',
        namespace: 'default',
        ownerReferences: [{ apiVersion: 'serving.knative.dev/v1', kind: 'Revision', name: 'r', uid: 'u' }],
      },
      spec: { template: { spec: { containers: [{ name: 'c' }] } } },
    });
    await apply({ ...KINDS.deployment, name: 'foreign' });
    await pass();
    expect(await condition('Ready')).toEqual({
      status: 'False',
      reason: 'SubjectUnavailable',
      message: 'Deployment foreign only shows what runs: bind its Service',
    });
    await world.apply(aService({ name: 'named', template: { name: 'named-one' } }));
    await apply({ ...SERVICE, name: 'named' }, SINK, 'second');
    await pass('second');
    expect(await condition('Ready', 'second')).toMatchObject({
      status: 'False',
      reason: 'BindingFailed',
      message: expect.stringContaining('without a name change'),
    });
  });

  it('leaves a subject to the binding that has it', async () => {
    await world.apply(aService());
    await apply({ ...SERVICE, name: 'hello' });
    await pass();
    world.clock.advance(1000);
    await apply({ ...SERVICE, name: 'hello' }, { uri: 'http://other.example/' }, 'second');
    await pass('second');
    expect(await sinkOf('hello')).toBe(SINK.uri);
    expect(await condition('Ready', 'second')).toEqual({
      status: 'False',
      reason: 'BindingFailed',
      message: 'Service hello is bound by SinkBinding binding already',
    });
  });

  it('takes the sink away when it goes', async () => {
    await world.apply(aService({ container: { env: [{ name: 'WHO', value: 'me' }] } }));
    await apply({ ...SERVICE, name: 'hello' });
    await pass();
    const finalizers = ['sinkbindings.sources.knative.dev'];
    const stored = await binding();
    await world.apply({ ...stored, metadata: { ...stored.metadata, finalizers } });
    await world.admin.remove(SINK_BINDING, 'default', 'binding');
    const going = (await binding()) as Parameters<NonNullable<ReturnType<typeof reconciler>['finalize']>>[0];
    await reconciler().finalize?.(going);
    expect(await sinkOf('hello')).toBeUndefined();
    expect(JSON.stringify(await world.get(KINDS.service, 'hello'))).toContain('WHO');
  });
});
