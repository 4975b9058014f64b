import Type from 'typebox';
import type { KReference, Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';
import { objectReference, statusFields, text } from '../../schema.ts';

export const EVENT_TYPE = { apiVersion: 'eventing.knative.dev/v1beta3', kind: 'EventType' };

export type AttributeDefinition = {
  readonly name: string;
  readonly required?: boolean;
  readonly value?: string;
};

/** As it is kept: v1beta3, and beside it the two fields that only the older versions know. */
export type EventType = Resource & {
  readonly spec: {
    readonly reference?: KReference;
    readonly description?: string;
    readonly attributes?: readonly AttributeDefinition[];
    readonly broker?: string;
    readonly schemaData?: string;
  };
  readonly status?: Status;
};

/** v1beta2 and v1beta1. */
export type FlatEventType = Resource & {
  readonly spec?: {
    readonly type?: string;
    readonly source?: string;
    readonly schema?: string;
    readonly schemaData?: string;
    readonly broker?: string;
    readonly reference?: KReference;
    readonly description?: string;
  };
  readonly status?: Status;
};

const shared = {
  reference: Type.Optional(objectReference),
  description: Type.Optional(text('What the type means, for people.')),
};
const onlyFlat = {
  broker: Type.Optional(text('Deprecated: the Broker that has these events; use reference.')),
  schemaData: Type.Optional(text('The schema itself; not looked at.')),
};
const structured = {
  ...shared,
  attributes: Type.Optional(
    Type.Array(
      Type.Object({
        name: text('Name of the CloudEvents attribute.'),
        required: Type.Optional(Type.Boolean({ description: 'Whether each event has it.' })),
        value: Type.Optional(text('Its value, or a template of it.')),
      }),
      { description: 'The attributes of such events: type, source, specversion and id at least.' },
    ),
  ),
};

const flat = {
  type: Type.Optional(text('The CloudEvents type.')),
  source: Type.Optional(text('The CloudEvents source.')),
  schema: Type.Optional(text('A URI of the schema.')),
  ...shared,
  ...onlyFlat,
};

const schemaOf = (spec: Parameters<typeof Type.Object>[0]) =>
  Type.Object({
    spec: Type.Optional(Type.Object(spec, { description: 'What is desired.' })),
    status: Type.Optional(Type.Object(statusFields, { description: 'What there is.' })),
  });

export const storedSchema = schemaOf({ ...structured, ...onlyFlat });
export const v1beta3Schema = schemaOf(structured);
export const flatSchema = schemaOf(flat);
