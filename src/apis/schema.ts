import Type, { type TSchema } from 'typebox';

/** The structural subset of JSON schema that Kubernetes takes in CRDs, which is what kinds are written in. */
export type JsonSchema = {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly description?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly additionalProperties?: boolean | JsonSchema;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-int-or-string'?: boolean;
};

/** The plain JSON schema of a schema value: what CRDs and OpenAPI documents carry. */
export function jsonSchemaOf(schema: TSchema): JsonSchema {
  return JSON.parse(JSON.stringify(schema)) as JsonSchema; // a typebox schema is one; its marks are not enumerable
}

// Shapes that typebox has no word for, or that Kubernetes writes in its own way.

/** An object whose members are none of our business; they are kept as they are. */
export const openObject = (description: string): Type.TUnsafe<Readonly<Record<string, unknown>>> =>
  Type.Unsafe<Readonly<Record<string, unknown>>>({
    type: 'object',
    'x-kubernetes-preserve-unknown-fields': true,
    description,
  });

export const stringMap = (description: string): Type.TUnsafe<Readonly<Record<string, string>>> =>
  Type.Unsafe<Readonly<Record<string, string>>>({
    type: 'object',
    additionalProperties: { type: 'string' },
    description,
  });

export const oneOfStrings = <const Value extends string>(
  values: readonly Value[],
  description: string,
): Type.TUnsafe<Value> => Type.Unsafe<Value>({ type: 'string', enum: [...values], description });

export const int32 = (description: string): Type.TInteger => Type.Integer({ format: 'int32', description });
export const int64 = (description: string): Type.TInteger => Type.Integer({ format: 'int64', description });
export const text = (description: string): Type.TString => Type.String({ description });

export const objectReference = Type.Object(
  {
    apiVersion: Type.Optional(text('API version of the referent.')),
    kind: text('Kind of the referent.'),
    name: text('Name of the referent.'),
    namespace: Type.Optional(text('Namespace of the referent; that of the referrer when absent.')),
    group: Type.Optional(text('API group of the referent, in place of apiVersion.')),
    address: Type.Optional(text('Which of several addresses of the referent.')),
  },
  { description: 'Points to an object that has an address.' },
);

export const destination = (description: string) =>
  Type.Object(
    {
      ref: Type.Optional(objectReference),
      uri: Type.Optional(text('An absolute URL, or one relative to the address of ref.')),
      CACerts: Type.Optional(text('PEM certificates to trust for this destination.')),
      audience: Type.Optional(text('OIDC audience of the destination.')),
    },
    { description },
  );

export const delivery = Type.Object(
  {
    deadLetterSink: Type.Optional(destination('Where an event goes that could not be delivered.')),
    retry: Type.Optional(int32('How often to try again after the first attempt.')),
    backoffPolicy: Type.Optional(text('linear or exponential.')),
    backoffDelay: Type.Optional(
      text('ISO 8601 duration before retrying: delay × n (linear) or delay × 2^n (exponential).'),
    ),
    backoffMax: Type.Optional(text('ISO 8601 duration that no computed back-off exceeds.')),
    timeout: Type.Optional(text('ISO 8601 duration of one attempt.')),
    retryAfterMax: Type.Optional(text('ISO 8601 duration up to which Retry-After is honoured.')),
    format: Type.Optional(text('json or binary: the content mode of the delivery.')),
  },
  { description: 'How events are delivered.', 'x-kubernetes-preserve-unknown-fields': true },
);

export const addressable = Type.Object(
  {
    name: Type.Optional(text('Name of the address.')),
    url: Type.Optional(text('Where it answers.')),
    CACerts: Type.Optional(text('PEM certificates of its issuer.')),
    audience: Type.Optional(text('OIDC audience.')),
  },
  { description: 'An address that takes events or requests.' },
);

/** What every Knative status begins with (duckv1.Status). */
export const statusFields = {
  observedGeneration: Type.Optional(int64('The generation that this status speaks of.')),
  conditions: Type.Optional(
    Type.Array(
      Type.Object({
        type: text('Type of the condition.'),
        status: Type.Unsafe<'True' | 'False' | 'Unknown'>({
          type: 'string',
          description: 'True, False or Unknown.',
        }),
        severity: Type.Optional(
          Type.Unsafe<'Warning' | 'Info'>({ type: 'string', description: 'How to treat a False.' }),
        ),
        lastTransitionTime: Type.Optional(text('When the status last changed.')),
        reason: Type.Optional(text('Why, for machines.')),
        message: Type.Optional(text('Why, for people.')),
      }),
      { description: 'What is known of this object.' },
    ),
  ),
  annotations: Type.Optional(stringMap('Further facts.')),
};
