import Type from 'typebox';
import type { KindDefinition } from '../../kind.ts';
import { statusFields, text } from '../../schema.ts';
import { CRD, GROUP, READY_COLUMNS, template, WEBHOOK } from '../shared.ts';
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

export const configurationKind: KindDefinition<Configuration> = {
  group: GROUP,
  versions: ['v1'],
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
  columns: [...REVISION_NAME_COLUMNS, ...READY_COLUMNS],
  subresources: { status: true },
  crd: CRD,
  webhook: WEBHOOK,
  setDefaults: setConfigurationDefaults,
  validate: configurationErrors,
};
