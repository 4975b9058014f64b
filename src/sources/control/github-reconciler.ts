import { isFalse, isTrue, type Mark } from '../../apis/conditions.ts';
import { GITHUB_SOURCE, type GitHubSource } from '../../apis/sources/github-source/schema.ts';
import { GITHUB_SOURCE_CONDITIONS } from '../../apis/sources/github-source/status.ts';
import type { Resource } from '../../apis/resource.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import { settled, type Reconciler } from '../../control/reconciler.ts';
import type { ResourceReader } from '../../control/resource-client.ts';

export type GitHubSourceSettings = { readonly webhookUrlOf: (namespace: string, name: string) => string };

type Secret = Resource & { readonly data?: Readonly<Record<string, string>> };

/** Says whether a GitHubSource can take deliveries, and what is to be entered at GitHub. */
export function gitHubSourceReconciler(
  reader: ResourceReader,
  { webhookUrlOf }: GitHubSourceSettings,
): Reconciler<GitHubSource> {
  return {
    kind: GITHUB_SOURCE,
    conditions: GITHUB_SOURCE_CONDITIONS,
    async reconcile(source) {
      const { namespace = '', name } = source.metadata;
      const { sink = {}, eventTypes, ownerAndRepository } = source.spec;
      const resolved = await resolveDestination(reader, sink, namespace);
      const webhookURL = webhookUrlOf(namespace, name);
      const sinkMark =
        resolved.kind === 'url'
          ? isTrue('SinkProvided')
          : isFalse('SinkProvided', 'NotFound', resolved.message);
      const types = eventTypes.includes('*') ? ['*'] : eventTypes;
      const ceAttributes = types.map((type) => ({
        type: `dev.knative.source.github.${type}`,
        source: `https://github.com/${ownerAndRepository}`,
      }));
      const status = {
        sinkUri: resolved.kind === 'url' ? resolved.url : undefined,
        webhookURL,
        ceAttributes,
      };
      return settled(
        status,
        await secretsMark(reader, source, namespace),
        sinkMark,
        manual(source, webhookURL),
      );
    },
  };
}

async function secretsMark(reader: ResourceReader, { spec }: GitHubSource, namespace: string): Promise<Mark> {
  for (const [reason, value] of [
    ['AccessTokenNotFound', spec.accessToken],
    ['SecretTokenNotFound', spec.secretToken],
  ] as const) {
    const reference = value?.secretKeyRef;
    if (reference === undefined) continue;
    const secret = await reader.find<Secret>({ apiVersion: 'v1', kind: 'Secret' }, namespace, reference.name);
    if (secret === undefined)
      return isFalse('SecretsProvided', reason, `Secret ${namespace}/${reference.name} is not there`);
    if (!secret.data?.[reference.key])
      return isFalse(
        'SecretsProvided',
        reason,
        `Secret ${namespace}/${reference.name} has no key ${reference.key}`,
      );
  }
  return isTrue('SecretsProvided');
}

/** The webhook is entered by hand; registering it through the GitHub API comes with a later version. */
function manual({ spec }: GitHubSource, webhookURL: string): Mark {
  const events = spec.eventTypes.includes('*') ? 'everything' : spec.eventTypes.join(', ');
  const enter = `enter at GitHub, under Settings, Webhooks: Payload URL ${webhookURL}, Content type application/json, the secret, and the events: ${events}`;
  const token =
    spec.accessToken === undefined
      ? ''
      : ' (the accessToken is not used yet: registering the webhook comes with a later version of Millrace)';
  return isTrue('WebhookConfigured', 'Manual', `${enter}${token}`);
}
