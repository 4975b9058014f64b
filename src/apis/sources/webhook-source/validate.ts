import { parseIsoDuration } from '../../../base/duration.ts';
import { below, disallowedField, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { extensionNameFault } from '../ce-overrides.ts';
import { isHeaderName, valueErrors } from './value-from.ts';
import { ATTRIBUTES, SCHEMES, type VerificationSpec, type WebhookSource } from './schema.ts';

const SECRETS_MAX = 10;
const DAY_MS = 86_400_000;

export function webhookSourceErrors({ spec }: WebhookSource): FieldError[] {
  const { preset, verification, dedupeWindow } = spec;
  return [
    ...schemeErrors(preset, verification ?? {}),
    ...below('spec.verification', verificationErrors(verification ?? {})),
    ...secretErrors(spec),
    ...below('spec.attributes', attributeErrors(spec.attributes ?? {})),
    ...durationErrors(dedupeWindow, 'spec.dedupeWindow'),
    ...handshakeErrors(spec.handshake),
  ];
}

export function webhookSourceWarnings({ spec }: WebhookSource): string[] {
  const { none, hmac } = spec.verification ?? {};
  const warnings: string[] = [];
  if (none !== undefined)
    warnings.push('spec.verification.none: whoever knows the address of this source can send events');
  if (hmac?.algorithm === 'sha1')
    warnings.push(
      'spec.verification.hmac.algorithm: sha1 is weak; use what is stronger where the service has it',
    );
  return warnings;
}

function schemeErrors(preset: string | undefined, verification: VerificationSpec): FieldError[] {
  const paths = SCHEMES.map((scheme) => `spec.verification.${scheme}`);
  const given = SCHEMES.filter((scheme) => verification[scheme] !== undefined);
  const at = given.map((scheme) => `spec.verification.${scheme}`);
  if (preset !== undefined) return given.length === 0 ? [] : [disallowedField(...at)];
  if (given.length === 0)
    return [{ message: 'expected exactly one, got neither', paths: ['spec.preset', ...paths] }];
  return given.length === 1 ? [] : [{ message: 'expected exactly one, got both', paths: at }];
}

function verificationErrors({
  tolerance,
  stripe,
  standardWebhooks,
  hmac,
  token,
}: VerificationSpec): FieldError[] {
  const errors = durationErrors(tolerance, 'tolerance');
  if (hmac !== undefined && !hmac.header) errors.push(missingField('hmac.header'));
  const headers = {
    'stripe.header': stripe?.header,
    'hmac.header': hmac?.header,
    'token.header': token?.header,
    'standardWebhooks.headerPrefix': standardWebhooks?.headerPrefix,
  };
  for (const [path, header] of Object.entries(headers)) {
    if (header && !isHeaderName(header))
      errors.push(invalidValue(header, path, 'expected the name of an HTTP header'));
  }
  return errors;
}

function secretErrors({ secrets = [], verification = {} }: WebhookSource['spec']): FieldError[] {
  if (verification.none !== undefined) return secrets.length === 0 ? [] : [disallowedField('spec.secrets')];
  if (secrets.length === 0) return [missingField('spec.secrets')];
  if (secrets.length > SECRETS_MAX)
    return [invalidValue(secrets.length, 'spec.secrets', `expected at most ${SECRETS_MAX} of them`)];
  return secrets.flatMap(({ secretKeyRef }, i) => {
    const missing = (['name', 'key'] as const).filter((field) => !secretKeyRef?.[field]);
    return missing.length === 0
      ? []
      : [missingField(...missing.map((field) => `spec.secrets[${i}].secretKeyRef.${field}`))];
  });
}

function attributeErrors(attributes: NonNullable<WebhookSource['spec']['attributes']>): FieldError[] {
  const errors = ATTRIBUTES.flatMap((name) => {
    const from = attributes[name];
    return from === undefined ? [] : below(name, valueErrors(from, name));
  });
  for (const [name, from] of Object.entries(attributes.extensions ?? {})) {
    const fault = extensionNameFault(name);
    if (fault !== undefined) errors.push(invalidValue(name, 'extensions', fault));
    errors.push(...below(`extensions[${name}]`, valueErrors(from, name)));
  }
  return errors;
}

function durationErrors(written: string | undefined, path: string): FieldError[] {
  if (written === undefined) return [];
  const ms = parseIsoDuration(written);
  if (ms !== undefined && ms > 0 && ms <= DAY_MS) return [];
  return [
    invalidValue(written, path, 'expected an ISO 8601 duration such as PT5M, above nothing and up to a day'),
  ];
}

function handshakeErrors(handshake: WebhookSource['spec']['handshake']): FieldError[] {
  if (handshake === undefined) return [];
  const { allowedOrigins = [], allowedRate } = handshake;
  const errors: FieldError[] = [];
  if (allowedOrigins.length === 0) errors.push(missingField('spec.handshake.allowedOrigins'));
  for (const [i, origin] of allowedOrigins.entries()) {
    if (origin !== '*' && !/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/i.test(origin))
      errors.push(invalidValue(origin, `spec.handshake.allowedOrigins[${i}]`, 'expected a DNS name, or *'));
  }
  if (allowedRate !== undefined && allowedRate < 1)
    errors.push(
      invalidValue(allowedRate, 'spec.handshake.allowedRate', 'expected at least one request a minute'),
    );
  return errors;
}
