import Type from 'typebox';
import { withoutStaleWritten } from '../../legacy/serving/as-written.ts';
import { revisionForms } from '../../legacy/serving/forms.ts';
import type { KindDefinition } from '../../kind.ts';
import { int32, statusFields, text } from '../../schema.ts';
import { GROUP, READY_COLUMNS, revisionSpec, WEBHOOK, isBare } from '../shared.ts';
import type { Revision } from '../types.ts';
import { setRevisionDefaults } from './defaults.ts';
import { revisionErrors } from './validate.ts';

const containerStatus = Type.Object({
  name: Type.Optional(text('Name of the container.')),
  imageDigest: Type.Optional(text('What its image was resolved to.')),
});

const status = {
  containerStatuses: Type.Optional(Type.Array(containerStatus, { description: 'Resolved images.' })),
  initContainerStatuses: Type.Optional(
    Type.Array(containerStatus, { description: 'Resolved images of init containers.' }),
  ),
  actualReplicas: Type.Optional(int32('Instances that are ready.')),
  desiredReplicas: Type.Optional(int32('Instances that are wanted.')),
  logUrl: Type.Optional(text('Where its logs are.')),
};

export const revisionKind: KindDefinition<Revision> = {
  group: GROUP,
  versions: ['v1', 'v1alpha1'],
  kind: 'Revision',
  plural: 'revisions',
  singular: 'revision',
  shortNames: ['rev'],
  categories: ['all', 'knative', 'serving'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(
      Type.Object(revisionSpec, { description: 'What runs.', 'x-kubernetes-preserve-unknown-fields': true }),
    ),
    status: Type.Optional(Type.Object({ ...statusFields, ...status }, { description: 'How it stands.' })),
  }),
  columns: [
    {
      name: 'Config Name',
      type: 'string',
      from: ".metadata.labels['serving\\.knative\\.dev/configuration']",
    },
    {
      name: 'Generation',
      type: 'string',
      from: ".metadata.labels['serving\\.knative\\.dev/configurationGeneration']",
    },
    ...READY_COLUMNS,
    { name: 'Actual Replicas', type: 'integer', from: '.status.actualReplicas' },
    { name: 'Desired Replicas', type: 'integer', from: '.status.desiredReplicas' },
  ],
  forms: revisionForms({ status }),
  subresources: { status: true },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  webhook: WEBHOOK,
  isStamped: isBare,
  setDefaults: (object, context) => withoutStaleWritten(setRevisionDefaults(object, context), context),
  validate: revisionErrors,
};
