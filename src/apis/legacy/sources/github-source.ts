import Type from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { KindDefinition } from '../../kind.ts';
import { text } from '../../schema.ts';
import { secretKeyThen, type SecretKeyThen } from '../legacy-kind.ts';
import { SOURCES_THEN, sourceKindThen, type SourceThen } from './source-then.ts';

type SecretValue = { readonly secretKeyRef?: SecretKeyThen };

/** eventing-sources v0.2.0, githubsource_types.go. */
export type GitHubSourceThen = SourceThen & {
  readonly spec?: {
    readonly ownerAndRepository: string;
    readonly eventTypes: readonly string[];
    readonly accessToken: SecretValue;
    readonly secretToken: SecretValue;
  };
};

export const GITHUB_SOURCE_THEN = { apiVersion: SOURCES_THEN, kind: 'GitHubSource' };

export const GITHUB_CONDITIONS_THEN: ConditionSet = {
  happy: 'Ready',
  dependents: ['SecretsProvided', 'SinkProvided'],
};

const secretValue = (description: string) =>
  Type.Object(
    { secretKeyRef: Type.Optional(secretKeyThen('A key of a Secret in the same namespace.')) },
    { description },
  );

export const gitHubSourceThenKind: KindDefinition<GitHubSourceThen> = sourceKindThen<GitHubSourceThen>(
  { kind: 'GitHubSource', plural: 'githubsources', singular: 'githubsource' },
  {
    spec: {
      ownerAndRepository: text('owner/repository, or owner for a whole organisation.'),
      eventTypes: Type.Array(Type.String(), { description: 'Which events are taken.' }),
      accessToken: secretValue('For registering the webhook through the GitHub API.'),
      secretToken: secretValue('What GitHub signs its deliveries with.'),
    },
    status: { webhookIDKey: Type.Optional(text('The webhook at GitHub.')) },
  },
);
