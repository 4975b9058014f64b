import Type from 'typebox';
import { withoutStaleWritten } from '../../legacy/serving/as-written.ts';
import { configurationForms } from '../../legacy/serving/forms.ts';
import type { KindDefinition } from '../../kind.ts';
import { statusFields, text } from '../../schema.ts';
import { CRD, GROUP, READY_COLUMNS, template, WEBHOOK, isBare } from '../shared.ts';
import type { Configuration } from '../types.ts';
import { setConfigurationDefaults } from './defaults.ts';
import { configurationErrors } from './validate.ts';

export const REVISION_NAMES = {
  latestCreatedRevisionName: Type.Optional(text('The newest revision.')),
  latestReadyRevisionName: Type.Optional(text('The newest revision that is ready.')),
};
export const REVISION_NAME_COLUMNS: KindDefinition['columns'] = [
  { name: 'LatestCreated', type: 'string', from: '.status.latestCreatedRevisionName' },
  { name: 'LatestReady', type: 'string', from: '.status.latestReadyRevisionName' },
];

const columns = [...REVISION_NAME_COLUMNS, ...READY_COLUMNS];

export const configurationKind: KindDefinition<Configuration> = {
  group: GROUP,
  versions: ['v1', 'v1alpha1'],
  kind: 'Configuration',
  plural: 'configurations',
  singular: 'configuration',
  shortNames: ['config', 'cfg'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(
      Type.Object({ template: Type.Optional(template) }, { description: 'What is desired.' }),
    ),
    status: Type.Optional(
      Type.Object({ ...statusFields, ...REVISION_NAMES }, { description: 'What there is.' }),
    ),
  }),
  columns,
  forms: configurationForms({ status: REVISION_NAMES, columns }),
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  isStamped: isBare,
  setDefaults: (object, context) => withoutStaleWritten(setConfigurationDefaults(object, context), context),
  validate: configurationErrors,
};
