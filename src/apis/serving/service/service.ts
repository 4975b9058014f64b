import Type from 'typebox';
import { withoutStaleWritten } from '../../legacy/serving/as-written.ts';
import { serviceForms } from '../../legacy/serving/forms.ts';
import type { KindDefinition, PrinterColumn } from '../../kind.ts';
import { statusFields } from '../../schema.ts';
import { REVISION_NAME_COLUMNS, REVISION_NAMES } from '../configuration/configuration.ts';
import { ROUTE_STATUS } from '../route/route.ts';
import { CRD, GROUP, READY_COLUMNS, template, trafficTarget, WEBHOOK } from '../shared.ts';
import type { Service } from '../types.ts';
import { setServiceDefaults } from './defaults.ts';
import { serviceErrors } from './validate.ts';

const spec = Type.Object(
  {
    template: Type.Optional(template),
    traffic: Type.Optional(Type.Array(trafficTarget, { description: 'Who gets which share.' })),
  },
  { description: 'What is desired.' },
);
const status = { ...REVISION_NAMES, ...ROUTE_STATUS };
const columns: readonly PrinterColumn[] = [
  { name: 'URL', type: 'string', from: '.status.url' },
  ...REVISION_NAME_COLUMNS,
  ...READY_COLUMNS,
];

export const serviceKind: KindDefinition<Service> = {
  group: GROUP,
  versions: ['v1', 'v1alpha1'],
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['kservice', 'ksvc'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(spec),
    status: Type.Optional(Type.Object({ ...statusFields, ...status }, { description: 'What there is.' })),
  }),
  columns,
  forms: serviceForms({ spec, status, columns }),
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  setDefaults: (object, context) => withoutStaleWritten(setServiceDefaults(object, context), context),
  validate: serviceErrors,
};
