import { AGE } from '../../core/core-kinds.ts';
import type { KindDefinition } from '../../kind.ts';
import { setGitHubSourceDefaults } from './defaults.ts';
import { gitHubSourceSchema, type GitHubSource } from './schema.ts';
import { gitHubSourceErrors, gitHubSourceWarnings } from './validate.ts';

export const gitHubSourceKind: KindDefinition<GitHubSource> = {
  group: 'sources.knative.dev',
  versions: ['v1alpha1'],
  kind: 'GitHubSource',
  plural: 'githubsources',
  singular: 'githubsource',
  shortNames: [],
  categories: ['all', 'knative', 'eventing', 'sources'],
  scope: 'Namespaced',
  schema: gitHubSourceSchema,
  columns: [
    { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
    { name: 'Sink', type: 'string', from: '.status.sinkUri' },
    AGE,
  ],
  subresources: { status: true },
  crd: {
    labels: {
      'eventing.knative.dev/source': 'true',
      'duck.knative.dev/source': 'true',
      'knative.dev/crd-install': 'true',
    },
    annotations: {},
  },
  webhook: 'validation.webhook.github.sources.knative.dev',
  setDefaults: setGitHubSourceDefaults,
  validate: gitHubSourceErrors,
  warn: gitHubSourceWarnings,
};
