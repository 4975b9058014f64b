import Type from 'typebox';
import type { KindDefinition } from '../../kind.ts';
import { statusFields } from '../../schema.ts';
import { REVISION_NAME_COLUMNS, REVISION_NAMES } from '../configuration/configuration.ts';
import { ROUTE_STATUS } from '../route/route.ts';
import { CRD, GROUP, READY_COLUMNS, template, trafficTarget, WEBHOOK } from '../shared.ts';
import type { Service } from '../types.ts';
import { setServiceDefaults } from './defaults.ts';
import { serviceErrors } from './validate.ts';

export const serviceKind: KindDefinition<Service> = {
  group: GROUP,
  versions: ['v1'],
  kind: 'Service',
  plural: 'services',
  singular: 'service',
  shortNames: ['kservice', 'ksvc'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(
      Type.Object(
        {
          template: Type.Optional(template),
          traffic: Type.Optional(Type.Array(trafficTarget, { description: 'Who gets which share.' })),
        },
        { description: 'What is desired.' },
      ),
    ),
    status: Type.Optional(
      Type.Object({ ...statusFields, ...REVISION_NAMES, ...ROUTE_STATUS }, { description: 'What there is.' }),
    ),
  }),
  columns: [{ name: 'URL', type: 'string', from: '.status.url' }, ...REVISION_NAME_COLUMNS, ...READY_COLUMNS],
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  setDefaults: setServiceDefaults,
  validate: serviceErrors,
};
