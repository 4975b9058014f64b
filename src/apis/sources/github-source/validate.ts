import { parseIsoDuration } from '../../../base/duration.ts';
import { destinationErrors } from '../../delivery.ts';
import { below, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { GITHUB_EVENTS } from './event-names.ts';
import type { GitHubSource } from './schema.ts';

export const DEDUPE_WINDOW = 'sources.millrace.dev/dedupe-window';
const VALUE_MAX = 4096;
const CORE_ATTRIBUTES = new Set([
  'id',
  'source',
  'specversion',
  'type',
  'datacontenttype',
  'dataschema',
  'subject',
  'time',
  'data',
]);

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

/** What could not be an attribute is refused here, since the data plane would have to leave it out. */
function extensionErrors(extensions: Readonly<Record<string, string>>): FieldError[] {
  const path = 'spec.ceOverrides.extensions';
  return Object.entries(extensions).flatMap(([name, value]) => {
    if (!/^[a-z0-9]+$/.test(name) || CORE_ATTRIBUTES.has(name)) {
      const why = 'an extension has lower-case letters and digits, and is no core attribute';
      return [invalidValue(name, path, why)];
    }
    const isText = value.isWellFormed() && !/[\p{Cc}\p{Noncharacter_Code_Point}]/u.test(value);
    if (isText && value !== '' && value.length <= VALUE_MAX) return [];
    const why = `expected 1 to ${VALUE_MAX} characters of text, without control characters`;
    return [invalidValue(value.slice(0, 64), `${path}[${name}]`, why)];
  });
}

export function gitHubSourceWarnings({ spec }: GitHubSource): string[] {
  const unknown = (spec?.eventTypes ?? []).filter((name) => name !== '*' && !GITHUB_EVENTS.has(name));
  return unknown.map(
    (name) =>
      `spec.eventTypes: GitHub has no event ${JSON.stringify(name)} that is known here; it is taken all the same`,
  );
}
