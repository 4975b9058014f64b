import type { JsonSchema } from '../../apis/schema.ts';

const text: JsonSchema = { type: 'string' };
const texts: JsonSchema = { type: 'object', additionalProperties: text };
const flag: JsonSchema = { type: 'boolean' };
const whole: JsonSchema = { type: 'integer' };

/** The shape of every object's metadata (apimachinery meta/v1 ObjectMeta), as apis/resource.ts types it. */
export const METADATA_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    name: text,
    namespace: text,
    generateName: text,
    uid: text,
    resourceVersion: text,
    generation: whole,
    creationTimestamp: text,
    deletionTimestamp: text,
    deletionGracePeriodSeconds: whole,
    labels: texts,
    annotations: texts,
    finalizers: { type: 'array', items: text },
    ownerReferences: {
      type: 'array',
      items: {
        type: 'object',
        required: ['apiVersion', 'kind', 'name', 'uid'],
        properties: {
          apiVersion: text,
          kind: text,
          name: text,
          uid: text,
          controller: flag,
          blockOwnerDeletion: flag,
        },
      },
    },
  },
};
