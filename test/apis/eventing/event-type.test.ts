import { beforeAll, describe, expect, it } from 'vitest';
import { eventTypeForms } from '../../../src/apis/eventing/event-type/forms.ts';
import {
  EVENT_TYPE,
  type EventType,
  type FlatEventType,
} from '../../../src/apis/eventing/event-type/schema.ts';
import { CONTROLLER_USER } from '../../../src/apis/messaging/channelable.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "validation.webhook.eventing.knative.dev" denied the request: validation failed:';
const metadata = { name: 'paid', namespace: 'default' };
const ATTRIBUTES = [
  { name: 'type', value: 'order.paid', required: true },
  { name: 'source', value: '/shop', required: true },
  { name: 'specversion', value: '1.0', required: true },
  { name: 'id', required: true },
];
const REFERENCE = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'orders' };
const anEventType = (spec: object = {}): EventType =>
  ({ ...EVENT_TYPE, metadata, spec: { attributes: ATTRIBUTES, reference: REFERENCE, ...spec } }) as EventType;

let world: World;
beforeAll(async () => void (world = await World.open()));

describe('an EventType', () => {
  it('refers into its own namespace unless it says another', async () => {
    await world.apply(anEventType());
    expect((await world.get(EVENT_TYPE, 'paid')) as unknown).toMatchObject({
      spec: { reference: { ...REFERENCE, namespace: 'default' } },
    });
  });

  it('is refused without the attributes that each event has, naming them', async () => {
    expect(
      await world.refusal({ ...anEventType({ attributes: [] }), metadata: { ...metadata, name: 'a' } }),
    ).toBe(
      `${DENIED} missing field(s): spec.attributes.id, spec.attributes.source, spec.attributes.specversion, spec.attributes.type`,
    );
    const some = anEventType({ attributes: ATTRIBUTES.slice(0, 3) });
    expect(await world.refusal({ ...some, metadata: { ...metadata, name: 'a' } })).toBe(
      `${DENIED} missing field(s): spec.attributes.id`,
    );
  });

  it('stays as it is for everybody but the eventing controller', async () => {
    const changed = anEventType({
      description: 'another',
      reference: { ...REFERENCE, namespace: 'default' },
    });
    expect(await world.refusal(changed)).toBe(
      `${DENIED} Immutable fields changed (-old +new): spec\n{v1beta3.EventTypeSpec}.Description:\n\t-: ""\n\t+: "another"\n`,
    );
    await world.apply({ ...anEventType(), metadata: { ...metadata, labels: { team: 'shop' } } });
    await world.controller.apply(changed);
    expect(world.controller.user).toBe(CONTROLLER_USER);
  });
});

describe('the older form of an EventType', () => {
  const [v1beta2, v1beta3] = [eventTypeForms['v1beta2'], eventTypeForms['v1beta3']];
  if (v1beta2 === undefined || v1beta3 === undefined) throw new Error('a form is missing');
  const flat: FlatEventType = {
    apiVersion: 'eventing.knative.dev/v1beta2',
    kind: 'EventType',
    metadata,
    spec: {
      type: 'order.paid',
      source: '/shop',
      schema: 'https://schemas.example/paid',
      schemaData: '{}',
      reference: REFERENCE,
      description: 'paid',
    },
  };

  it('reads back what was written in it, whole', () => {
    expect(v1beta2.fromStored(v1beta2.toStored(flat) as EventType)).toEqual(flat);
  });

  it('reads in v1beta3 with the attributes that v1beta3 demands, and without what it does not know', () => {
    expect(v1beta3.fromStored(v1beta2.toStored(flat) as EventType).spec).toEqual({
      attributes: [
        { name: 'type', required: true, value: 'order.paid' },
        { name: 'schemadata', required: false, value: 'https://schemas.example/paid' },
        { name: 'source', required: true, value: '/shop' },
        { name: 'specversion', required: true },
        { name: 'id', required: true },
      ],
      reference: REFERENCE,
      description: 'paid',
    });
  });

  it('changes nothing of what it does not show while it changes nothing that it shows', () => {
    const stored = anEventType({ attributes: [...ATTRIBUTES, { name: 'team', value: 'shop' }] });
    const shown = v1beta2.fromStored(stored);
    const labelled = { ...shown, metadata: { ...metadata, labels: { a: 'b' } } };
    expect(v1beta2.toStored(labelled, stored)).toEqual({ ...stored, metadata: labelled.metadata });
  });

  it('turns a broker into a reference, and needs a type', () => {
    const { spec } = v1beta2.toStored({ ...flat, spec: { type: 'a', broker: 'default' } }) as EventType;
    expect(spec.reference).toEqual({
      apiVersion: 'eventing.knative.dev/v1',
      kind: 'Broker',
      name: 'default',
    });
    expect(v1beta2.validate?.({ ...flat, spec: {} })).toEqual([
      { message: 'missing field(s)', paths: ['spec.type'] },
    ]);
  });
});
