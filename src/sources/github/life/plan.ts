import { isFalse, type Mark } from '../../../apis/conditions.ts';
import type { GitHubSource } from '../../../apis/sources/github-source/schema.ts';
import type { Planned, ReadSecret, SourceContext } from '../../source.ts';

/** What the source has to know of its webhook at GitHub. */
export type WebhookPlan = {
  readonly target: string; // owner/repository, or an organisation
  readonly apiUrl: string;
  /** Undefined: the webhook is entered by hand. */
  readonly token: string | undefined;
  readonly secret: string;
  readonly url: string;
  readonly eventTypes: readonly string[]; // each once, sorted
};

const GITHUB_API = 'https://api.github.com';

export function planWebhook(
  source: GitHubSource,
  readSecret: ReadSecret,
  context: SourceContext,
): Planned<WebhookPlan> {
  const { spec, metadata } = source;
  const { namespace = '' } = metadata;
  const found = (value: GitHubSource['spec']['accessToken']): string | undefined =>
    readSecret(namespace, value?.secretKeyRef?.name ?? '', value?.secretKeyRef?.key ?? '');
  const token = spec.accessToken === undefined ? undefined : found(spec.accessToken)?.trim();
  if (spec.accessToken !== undefined && !token)
    return missing('AccessTokenNotFound', namespace, spec.accessToken);
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) return malformed(namespace, spec.accessToken);
  const secret = found(spec.secretToken);
  if (!secret) return missing('SecretTokenNotFound', namespace, spec.secretToken);
  const plan: WebhookPlan = {
    target: spec.ownerAndRepository,
    apiUrl: spec.githubAPIURL ?? GITHUB_API,
    token,
    secret,
    url: webhookUrlOf(source, context),
    eventTypes: typesOf(spec.eventTypes),
  };
  return { kind: 'plan', plan };
}

/** Below the address of the gateway; `secure` decides on its scheme, as upstream has it. */
export function webhookUrlOf({ metadata, spec }: GitHubSource, { publicUrl }: SourceContext): string {
  const url = `${publicUrl}/webhooks/${metadata.namespace ?? ''}/${metadata.name}`;
  return spec.secure === undefined ? url : url.replace(/^https?:/, spec.secure ? 'https:' : 'http:');
}

function typesOf(written: readonly string[]): readonly string[] {
  return written.includes('*') ? ['*'] : [...new Set(written)].toSorted();
}

type SecretValue = GitHubSource['spec']['accessToken'];

function missing(reason: string, namespace: string, value: SecretValue): { kind: 'missing'; mark: Mark } {
  const { name = '', key = '' } = value?.secretKeyRef ?? {};
  const message = `there is no Secret ${namespace}/${name} that has something under the key ${key}`;
  return { kind: 'missing', mark: isFalse('SecretsProvided', reason, message) };
}

function malformed(namespace: string, value: SecretValue): { kind: 'missing'; mark: Mark } {
  const { name = '', key = '' } = value?.secretKeyRef ?? {};
  const message = `what is under the key ${key} of Secret ${namespace}/${name} is no access token: it has spaces, line breaks or letters that no token has`;
  return { kind: 'missing', mark: isFalse('SecretsProvided', 'AccessTokenMalformed', message) };
}
