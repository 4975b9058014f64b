import Type from 'typebox';
import { withoutStaleWritten } from '../../legacy/serving/as-written.ts';
import { routeForms } from '../../legacy/serving/forms.ts';
import type { KindDefinition, PrinterColumn } from '../../kind.ts';
import { addressable, statusFields, text } from '../../schema.ts';
import { CRD, GROUP, READY_COLUMNS, trafficTarget, WEBHOOK, isBare } from '../shared.ts';
import type { Route } from '../types.ts';
import { setRouteDefaults } from './defaults.ts';
import { routeErrors } from './validate.ts';

export const ROUTE_STATUS = {
  url: Type.Optional(text('Where it answers.')),
  address: Type.Optional(addressable),
  traffic: Type.Optional(Type.Array(trafficTarget, { description: 'Traffic as it is now.' })),
};

const spec = Type.Object(
  { traffic: Type.Optional(Type.Array(trafficTarget, { description: 'Who gets which share.' })) },
  { description: 'What is desired.' },
);
const columns: readonly PrinterColumn[] = [
  { name: 'URL', type: 'string', from: '.status.url' },
  ...READY_COLUMNS,
];

export const routeKind: KindDefinition<Route> = {
  group: GROUP,
  versions: ['v1', 'v1alpha1'],
  kind: 'Route',
  plural: 'routes',
  singular: 'route',
  shortNames: ['rt'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(spec),
    status: Type.Optional(
      Type.Object({ ...statusFields, ...ROUTE_STATUS }, { description: 'What there is.' }),
    ),
  }),
  columns,
  forms: routeForms({ spec, status: ROUTE_STATUS, columns }),
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  isStamped: isBare,
  setDefaults: (object, context) => withoutStaleWritten(setRouteDefaults(object), context),
  validate: routeErrors,
};
