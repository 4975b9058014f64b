import { parseIsoDuration } from '../base/duration.ts';
import type { DeliverySpec, Destination } from './duck.ts';
import { below, invalidValue, missingField } from './field-error.ts';
import type { FieldError } from './kind.ts';

/** Rules of a delivery (eventing pkg/apis/duck/v1/delivery_types.go); paths are relative to it. */
export function deliveryErrors(delivery: DeliverySpec | undefined): FieldError[] {
  if (delivery === undefined) return [];
  const { retry, backoffPolicy, format, deadLetterSink } = delivery;
  const errors: FieldError[] = [];
  if (retry !== undefined && retry < 0) errors.push(invalidValue(retry, 'retry'));
  if (backoffPolicy !== undefined && !['linear', 'exponential'].includes(backoffPolicy))
    errors.push(invalidValue(backoffPolicy, 'backoffPolicy'));
  if (format !== undefined && !['json', 'binary'].includes(format))
    errors.push(invalidValue(format, 'format'));
  for (const field of ['backoffDelay', 'backoffMax', 'timeout', 'retryAfterMax'] as const) {
    const written = delivery[field];
    const ms = written === undefined ? undefined : parseIsoDuration(written);
    if (written !== undefined && (ms === undefined || (field === 'timeout' && ms === 0)))
      errors.push(invalidValue(written, field));
  }
  if (deadLetterSink !== undefined)
    errors.push(...below('deadLetterSink', destinationErrors(deadLetterSink)));
  return errors;
}

/** Rules of a destination (knative pkg/apis/duck/v1/destination.go); paths are relative to it. */
export function destinationErrors({ ref, uri }: Destination): FieldError[] {
  if (ref === undefined && uri === undefined)
    return [{ message: 'expected at least one, got none', paths: ['ref', 'uri'] }];
  if (ref === undefined) {
    const isAbsolute = uri !== undefined && URL.canParse(uri) && new URL(uri).host !== '';
    return isAbsolute
      ? []
      : [invalidValue('Relative URI is not allowed when Ref and [apiVersion, kind, name] is absent', 'uri')];
  }
  const missing = (['name', 'kind'] as const).filter((field) => !ref[field]);
  const version = ref.apiVersion === undefined && ref.group === undefined ? ['apiVersion'] : [];
  const paths = [...missing, ...version].map((field) => `ref.${field}`);
  return paths.length === 0 ? [] : [missingField(...paths)];
}

/** A reference without a namespace means that of the object it stands in. */
export function withNamespace(
  destination: Destination | undefined,
  namespace: string | undefined,
): Destination | undefined {
  if (destination?.ref === undefined || destination.ref.namespace !== undefined || namespace === undefined)
    return destination;
  return { ...destination, ref: { ...destination.ref, namespace } };
}
