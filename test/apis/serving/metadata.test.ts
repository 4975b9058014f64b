import { beforeAll, describe, expect, it } from 'vitest';
import { ANNOTATIONS, LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { EmbeddedClient } from '../../../src/control/embedded/embedded-client.ts';
import { aConfiguration, aRevision, aService } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

const annotated = (name: string, value: string): object => ({ metadata: { annotations: { [name]: value } } });

describe('the metadata of what routes', () => {
  it.each([
    ['10h5m', undefined],
    ['', undefined],
    ['slow', 'invalid value: slow: metadata.annotations.serving.knative.dev/rollout-duration'],
    [
      '1500ms',
      'rollout-duration=1500ms is not at second precision: metadata.annotations.serving.knative.dev/rollout-duration',
    ],
    [
      '-10s',
      'rollout-duration=-10s must be positive: metadata.annotations.serving.knative.dev/rollout-duration',
    ],
  ])('has a roll-out of %j, or upstream’s words for why not', async (value, fault) => {
    const service = aService(annotated('serving.knative.dev/rollout-duration', value));
    if (fault === undefined) await expect(world.apply(service)).resolves.toBeDefined();
    else expect(await world.refusal(service)).toContain(`validation failed: ${fault}`);
  });

  it('reads the older name of a roll-out too', async () => {
    const service = aService(annotated('serving.knative.dev/rolloutDuration', 'slow'));
    expect(await world.refusal(service)).toContain(
      'metadata.annotations.serving.knative.dev/rolloutDuration',
    );
  });

  it.each(['service', 'configuration'] as const)('names its %s only when it is made for it', async (kind) => {
    const labels = { [LABELS[kind]]: 'other' };
    const object = kind === 'service' ? aConfiguration({ name: 'bare' }) : aRevision('bare');
    const fault = `missing field(s): metadata.labels.serving.knative.dev/${kind}`;
    const made = { ...object, metadata: { name: 'bare', namespace: 'default', labels } };
    expect(await world.refusal(made)).toContain(fault);
  });

  it('has a name that can be one of DNS', async () => {
    expect(await world.refusal(aService({ name: 'a.b' }))).toContain('not a DNS 1035 label: [');
    expect(await world.refusal(aService({ name: '1st' }))).toContain(']: metadata.name');
  });

  it('says who made and last changed it, which nobody else can say', async () => {
    await world.apply(aService({ name: 'mine' }));
    const users = async (): Promise<unknown[]> => {
      const { annotations = {} } = (await world.get(KINDS.service, 'mine')).metadata;
      return [annotations[ANNOTATIONS.creator], annotations[ANNOTATIONS.lastModifier]];
    };
    const other = new EmbeddedClient(world.store, 'other');
    await other.apply(aService({ name: 'mine', spec: { timeoutSeconds: 7 } }) as never);
    expect(await users()).toEqual(['admin', 'other']);
    const claim = (name: string): object =>
      aService({
        name: 'mine',
        spec: { timeoutSeconds: 7 },
        metadata: { name: 'mine', annotations: { [name]: 'me' } },
      });
    expect(await world.refusal(claim(ANNOTATIONS.creator))).toContain(
      'annotation value is immutable: metadata.annotations.serving.knative.dev/creator',
    );
    expect(await world.refusal(claim(ANNOTATIONS.lastModifier))).toContain(
      'invalid value: me: metadata.annotations.serving.knative.dev/lastModifier',
    );
    await world.apply(aService({ name: 'mine', spec: { timeoutSeconds: 7 } }));
    expect(await users()).toEqual(['admin', 'other']);
  });
});
