import Type from 'typebox';
import type { KindDefinition } from '../../kind.ts';
import { addressable, objectReference, statusFields, text } from '../../schema.ts';
import { GROUP, READY_COLUMNS, WEBHOOK } from '../shared.ts';
import type { DomainMapping } from './types.ts';
import { domainMappingErrors } from './validate.ts';

/** serving config/core/300-resources/domain-mapping.yaml. */
export const domainMappingKind: KindDefinition<DomainMapping> = {
  group: GROUP,
  versions: ['v1beta1'],
  kind: 'DomainMapping',
  plural: 'domainmappings',
  singular: 'domainmapping',
  shortNames: ['dm'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Object(
      {
        ref: objectReference,
        tls: Type.Optional(
          Type.Object(
            { secretName: text('Name of a kubernetes.io/tls Secret in the same namespace.') },
            { description: 'The certificate for the domain.' },
          ),
        ),
      },
      { description: 'What is desired.' },
    ),
    status: Type.Optional(
      Type.Object(
        {
          ...statusFields,
          url: Type.Optional(text('Where it answers.')),
          address: Type.Optional(addressable),
        },
        { description: 'What there is.' },
      ),
    ),
  }),
  columns: [{ name: 'URL', type: 'string', from: '.status.url' }, ...READY_COLUMNS],
  subresources: { status: true },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  webhook: WEBHOOK,
  setDefaults: setDomainMappingDefaults,
  validate: domainMappingErrors,
};

/** serving pkg/apis/serving/v1beta1/domainmapping_defaults.go */
function setDomainMappingDefaults(mapping: DomainMapping): DomainMapping {
  const { metadata, spec } = mapping;
  const ref: Partial<DomainMapping['spec']['ref']> = spec?.ref ?? {};
  const namespace = ref.namespace || metadata.namespace;
  const whole = { ...ref, ...(namespace !== undefined && { namespace }) } as DomainMapping['spec']['ref']; // validated next
  return { ...mapping, spec: { ...spec, ref: whole } };
}
