import { beforeAll, describe, expect, it } from 'vitest';
import { cloudPubSubSourceKind } from '../../../src/apis/sources/cloud-pubsub-source/cloud-pubsub-source.ts';
import { CLOUD_PUBSUB_SOURCE } from '../../../src/apis/sources/cloud-pubsub-source/schema.ts';
import { aCloudPubSubSource } from '../../kit/pubsub-objects.ts';
import { World } from '../../kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

const DENIED =
  'admission webhook "validation.webhook.events.cloud.google.com" denied the request: validation failed: ';

describe('a CloudPubSubSource', () => {
  it('has the defaults of upstream', async () => {
    const ref = { apiVersion: 'v1', kind: 'Service', name: 's' };
    await world.apply(aCloudPubSubSource('plain', { sink: { ref } }));
    expect(await world.get(CLOUD_PUBSUB_SOURCE, 'plain')).toMatchObject({
      spec: {
        ackDeadline: '30s',
        retentionDuration: '168h0m0s',
        secret: { name: 'google-cloud-key', key: 'key.json' },
        sink: { ref: { ...ref, namespace: 'default' } },
      },
    });
  });

  it('names no Secret where it names a service account', async () => {
    await world.apply(aCloudPubSubSource('account', { serviceAccountName: 'reader', secret: {} }));
    const { spec } = await world.get(CLOUD_PUBSUB_SOURCE, 'account');
    expect(spec).toMatchObject({ serviceAccountName: 'reader' });
    expect(spec).not.toHaveProperty('secret');
  });

  it('is served as v1beta1 as well', async () => {
    const beta = { ...CLOUD_PUBSUB_SOURCE, apiVersion: 'events.cloud.google.com/v1beta1' };
    await world.apply({ ...aCloudPubSubSource('beta'), apiVersion: beta.apiVersion });
    expect(await world.get(beta, 'beta')).toMatchObject({ spec: { topic: 'laconia' } });
  });

  it.each<[Record<string, unknown>, string]>([
    [{ topic: '' }, 'missing field(s): spec.topic'],
    [{ sink: {} }, 'missing field(s): spec.sink'],
    [
      { topic: 'projects/p/topics/laconia' },
      'invalid value: projects/p/topics/laconia: spec.topic\n' +
        "expected the topic's id within its project: 3 to 255 letters, digits and -._~+%, starting with a letter and not with goog",
    ],
    [{ retentionDuration: 'wrong' }, 'invalid value: wrong: spec.retentionDuration'],
    [{ retentionDuration: '10000h' }, 'expected 10s <= 10000h <= 168h0m0s: spec.retentionDuration'],
    [{ retentionDuration: '9s' }, 'expected 10s <= 9s <= 168h0m0s: spec.retentionDuration'],
    [{ ackDeadline: 'wrong' }, 'invalid value: wrong: spec.ackDeadline'],
    [{ ackDeadline: '-1s' }, 'expected 0s <= -1s <= 10m0s: spec.ackDeadline'],
    [{ ackDeadline: '11m' }, 'expected 0s <= 11m <= 10m0s: spec.ackDeadline'],
    [{ secret: { name: 'a' } }, 'missing field(s): spec.secret.key'],
    [{ secret: { optional: true } }, 'missing field(s): spec.secret.key, spec.secret.name'],
    [
      { secret: { name: 'a', key: 'b' }, serviceAccountName: 'c' },
      "Can't have spec.serviceAccountName and spec.secret at the same time: spec",
    ],
    [
      { serviceAccountName: '@' },
      String.raw`invalid value: @, serviceAccountName should have format: ^[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?$: spec.serviceAccountName`,
    ],
  ])('is refused in the words of upstream: %j', async (spec, text) => {
    expect(await world.refusal(aCloudPubSubSource('bad', spec))).toBe(DENIED + text);
  });

  it.each(['topic', 'sink'])('is refused by its schema without a %s', async (field) => {
    expect(await world.refusal(aCloudPubSubSource('bad', { [field]: undefined }))).toBe(
      `CloudPubSubSource.events.cloud.google.com "bad" is invalid: spec.${field}: Required value`,
    );
  });

  it('keeps its topic, project and credentials; all else may change', async () => {
    await world.apply(aCloudPubSubSource('kept', { project: 'mine' }));
    await world.apply(aCloudPubSubSource('kept', { project: 'mine', ackDeadline: '1m' }));
    expect(await world.refusal(aCloudPubSubSource('kept', { project: 'other' }))).toBe(
      `${DENIED}Immutable fields changed (-old +new): spec\n{v1.CloudPubSubSourceSpec}.Project:\n\t-: "mine"\n\t+: "other"\n`,
    );
  });

  it('has the names, labels and columns of upstream', () => {
    const { categories, versions, crd } = cloudPubSubSourceKind;
    expect({ categories, versions }).toEqual({
      categories: ['all', 'knative', 'cloudpubsubsource', 'sources'],
      versions: ['v1', 'v1beta1'],
    });
    expect(crd?.labels).toEqual({
      'duck.knative.dev/source': 'true',
      'events.cloud.google.com/release': 'devel',
      'events.cloud.google.com/crd-install': 'true',
    });
    expect(world.table(CLOUD_PUBSUB_SOURCE).header).toEqual(['Name', 'Ready', 'Reason', 'Age']);
  });
});
