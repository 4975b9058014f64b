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
  const { ownerAndRepository, eventTypes, secretToken, accessToken, sink, ceOverrides } = spec ?? {};
  const errors: FieldError[] = [];
  if (!ownerAndRepository) errors.push(missingField('spec.ownerAndRepository'));
  else if (!/^[\w.-]+(?:\/[\w.-]+)?$/.test(ownerAndRepository))
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

export function gitHubSourceWarnings({ spec }: GitHubSource): string[] {
  const unknown = (spec?.eventTypes ?? []).filter((name) => name !== '*' && !GITHUB_EVENTS.has(name));
  return unknown.map(
    (name) =>
      `spec.eventTypes: GitHub has no event ${JSON.stringify(name)} that is known here; it is taken all the same`,
  );
}
