import { isDeepStrictEqual } from 'node:util';
import { missingField } from '../../field-error.ts';
import type { PrinterColumn, VersionForm } from '../../kind.ts';
import {
  flatSchema,
  v1beta3Schema,
  type AttributeDefinition,
  type EventType,
  type FlatEventType,
} from './schema.ts';

const column = (name: string, from: string): PrinterColumn => ({ name, type: 'string', from });
const LAST: readonly PrinterColumn[] = [
  column('Reference Name', '.spec.reference.name'),
  column('Reference Kind', '.spec.reference.kind'),
  column('Description', '.spec.description'),
  column('Ready', '.status.conditions[?(@.type=="Ready")].status'),
  column('Reason', '.status.conditions[?(@.type=="Ready")].reason'),
];

export const V1BETA3_COLUMNS: readonly PrinterColumn[] = [
  column('Type', ".spec.attributes[?(@.name=='type')].value"),
  column('Source', ".spec.attributes[?(@.name=='source')].value"),
  ...LAST,
];
const FLAT_COLUMNS: readonly PrinterColumn[] = [
  column('Type', '.spec.type'),
  column('Source', '.spec.source'),
  column('Schema', '.spec.schema'),
  ...LAST,
];

const v1beta3: VersionForm<EventType, EventType> = {
  schema: v1beta3Schema,
  columns: V1BETA3_COLUMNS,
  fromStored(object) {
    const { broker: _broker, schemaData: _data, ...spec } = object.spec;
    return { ...object, spec };
  },
  toStored(object, stored) {
    const { broker, schemaData } = stored?.spec ?? {};
    return { ...object, spec: { ...object.spec, ...given({ broker, schemaData }) } };
  },
};

/** eventing pkg/apis/eventing/v1beta2/eventtype_conversion.go. */
const flat: VersionForm<EventType, FlatEventType> = {
  schema: flatSchema,
  columns: FLAT_COLUMNS,
  fromStored({ spec, ...object }) {
    const { attributes = [], reference, description, broker, schemaData } = spec;
    const read = (name: string): string | undefined =>
      attributes.find((each) => each.name === name)?.value || undefined;
    const flattened = { type: read('type'), source: read('source'), schema: read('schemadata') };
    return { ...object, spec: given({ ...flattened, schemaData, broker, reference, description }) };
  },
  /** What this form does not show stays as it is while what it shows does. */
  toStored(object, stored) {
    if (stored !== undefined && isDeepStrictEqual(flat.fromStored(stored).spec, object.spec))
      return { ...object, spec: stored.spec };
    const { type, source, schema, broker, reference, description, schemaData } = object.spec ?? {};
    const attributes = [
      attribute('type', type),
      ...(schema === undefined ? [] : [{ ...attribute('schemadata', schema), required: false }]),
      attribute('source', source),
      attribute('specversion'), // each event has these two, and v1beta3 demands that they are named
      attribute('id'),
    ];
    const meant =
      reference ??
      (broker === undefined || broker === ''
        ? undefined
        : { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: broker });
    return {
      ...object,
      spec: { attributes, ...given({ reference: meant, description, broker, schemaData }) },
    };
  },
  validate: ({ spec }) => (spec?.type ? [] : [missingField('spec.type')]),
};

export const eventTypeForms: Readonly<Record<string, VersionForm<EventType, EventType | FlatEventType>>> = {
  v1beta3: v1beta3 as VersionForm<EventType, EventType | FlatEventType>,
  v1beta2: flat as VersionForm<EventType, EventType | FlatEventType>,
  v1beta1: {
    ...(flat as VersionForm<EventType, EventType | FlatEventType>),
    deprecation:
      'eventing.knative.dev/v1beta1 EventType is deprecated; see https://knative.dev/docs/eventing/event-registry/ for instructions to migrate to eventing.knative.dev/v1beta2 EventType',
  },
};

function attribute(name: string, value?: string): AttributeDefinition {
  return { name, required: true, ...given({ value }) };
}

type Given<T> = { [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> } & {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
};

/** Without the members that are undefined. */
function given<T extends object>(members: T): Given<T> {
  const kept = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Given<T>;
}
