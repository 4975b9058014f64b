import { parseIsoDuration } from '../../../base/duration.ts';
import { destinationErrors } from '../../delivery.ts';
import { below, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { extensionErrors } from '../ce-overrides.ts';
import { GITHUB_EVENTS } from './event-names.ts';
import type { GitHubSource } from './schema.ts';

export const DEDUPE_WINDOW = 'sources.millrace.dev/dedupe-window';
/** Upstream requires an access token; here a webhook may be entered by hand, so it is optional. */
export function gitHubSourceErrors({ spec, metadata }: GitHubSource): FieldError[] {
  const { ownerAndRepository, eventTypes, secretToken, accessToken, sink, ceOverrides, githubAPIURL } =
    spec ?? {};
  const errors: FieldError[] = [];
  if (!ownerAndRepository) errors.push(missingField('spec.ownerAndRepository'));
  else if (!isOwnerAndRepository(ownerAndRepository))
    errors.push(
      invalidValue(
        ownerAndRepository,
        'spec.ownerAndRepository',
        'expected owner/repository, or owner for a whole organisation',
      ),
    );
  if (!(eventTypes?.length > 0)) errors.push(missingField('spec.eventTypes'));
  if (secretToken === undefined) errors.push(missingField('spec.secretToken'));
  for (const [name, value] of Object.entries({ secretToken, accessToken })) {
    if (value === undefined) continue;
    const missing = (['name', 'key'] as const).filter((field) => !value.secretKeyRef?.[field]);
    if (missing.length > 0)
      errors.push(missingField(...missing.map((field) => `spec.${name}.secretKeyRef.${field}`)));
  }
  if (githubAPIURL !== undefined && !isApiUrl(githubAPIURL))
    errors.push(
      invalidValue(
        githubAPIURL,
        'spec.githubAPIURL',
        'expected the address of the API of a GitHub Enterprise, such as https://github.example.com/api/v3/',
      ),
    );
  if (sink === undefined) errors.push(missingField('spec.sink'));
  else errors.push(...below('spec.sink', destinationErrors(sink)));
  errors.push(...extensionErrors(ceOverrides?.extensions ?? {}));
  const window = metadata.annotations?.[DEDUPE_WINDOW];
  if (window !== undefined && !parseIsoDuration(window))
    errors.push(
      invalidValue(
        window,
        `metadata.annotations[${DEDUPE_WINDOW}]`,
        'expected an ISO 8601 duration such as PT10M',
      ),
    );
  return errors;
}

/** As names at GitHub are; `..` would lead elsewhere in its API. */
function isOwnerAndRepository(text: string): boolean {
  return /^[\w.-]+(?:\/[\w.-]+)?$/.test(text) && !text.split('/').some((name) => /^\.+$/.test(name));
}

/** A token goes there, and the address into messages. */
function isApiUrl(text: string): boolean {
  const { protocol, username, password, search, hash } = URL.canParse(text) ? new URL(text) : NO_URL;
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === '';
}
const NO_URL = { protocol: '', username: '', password: '', search: '', hash: '' };

export function gitHubSourceWarnings({ spec }: GitHubSource): string[] {
  const unknown = (spec?.eventTypes ?? []).filter((name) => name !== '*' && !GITHUB_EVENTS.has(name));
  const inClear = spec?.accessToken !== undefined && /^http:/i.test(spec.githubAPIURL ?? '');
  const clear =
    'spec.githubAPIURL: the access token and the secret go there without TLS, for all on the way to read';
  const names = unknown.map(
    (name) =>
      `spec.eventTypes: GitHub has no event ${JSON.stringify(name)} that is known here; it is taken all the same`,
  );
  return inClear ? [...names, clear] : names;
}
