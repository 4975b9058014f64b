import Type from 'typebox';
import type { Destination, Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';
import { text } from '../../schema.ts';
import { secretValue, sourceSpec, sourceStatus } from '../source-kind.ts';

export const gitHubSourceSchema = Type.Object({
  spec: Type.Optional(
    Type.Object(
      {
        ownerAndRepository: Type.Optional(text('owner/repository, or owner for a whole organisation.')),
        eventTypes: Type.Optional(
          Type.Array(Type.String(), { description: 'Which events are taken; * for all.' }),
        ),
        accessToken: Type.Optional(secretValue('For registering the webhook through the GitHub API.')),
        secretToken: Type.Optional(secretValue('What GitHub signs its deliveries with.')),
        ...sourceSpec,
        githubAPIURL: Type.Optional(text('GitHub Enterprise: its API.')),
        secure: Type.Optional(
          Type.Boolean({
            description: 'Whether GitHub calls the webhook by https; else as --public-url says.',
          }),
        ),
        serviceAccountName: Type.Optional(text('Not used.')),
      },
      { description: 'What is desired.' },
    ),
  ),
  status: Type.Optional(
    Type.Object(
      {
        ...sourceStatus,
        webhookURL: Type.Optional(text('The address that GitHub calls.')),
        webhookIDKey: Type.Optional(text('The webhook at GitHub.')),
      },
      { description: 'What there is.' },
    ),
  ),
});

type SecretValue = { readonly secretKeyRef?: { readonly name: string; readonly key: string } };

export type GitHubSource = Resource & {
  readonly spec: {
    readonly ownerAndRepository: string;
    readonly eventTypes: readonly string[];
    readonly accessToken?: SecretValue;
    readonly secretToken?: SecretValue;
    readonly sink?: Destination;
    readonly ceOverrides?: { readonly extensions?: Readonly<Record<string, string>> };
    readonly githubAPIURL?: string;
    readonly secure?: boolean;
  };
  readonly status?: Status & { readonly sinkUri?: string; readonly webhookURL?: string };
};

export const GITHUB_SOURCE = { apiVersion: 'sources.knative.dev/v1alpha1', kind: 'GitHubSource' };
