import { PlatformError } from '../../base/errors.ts';
import type { KindDefinition } from '../../apis/kind.ts';

export type Cause = { readonly reason: string; readonly message: string; readonly field: string };
type Details = {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly causes?: readonly Cause[];
  readonly retryAfterSeconds?: number;
};

/** An error as the Kubernetes API answers it; `reason` and the texts are Kubernetes' own (apimachinery api/errors). */
export class ApiError extends PlatformError {
  readonly reason: string;
  readonly httpCode: number;
  readonly details: Details | undefined;

  constructor(httpCode: number, reason: string, message: string, details?: Details) {
    super(reason.toUpperCase(), message, { retryable: reason === 'Conflict' });
    this.reason = reason;
    this.httpCode = httpCode;
    this.details = details;
  }

  toStatus(): Record<string, unknown> {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details !== undefined && { details: this.details }),
      code: this.httpCode,
    };
  }
}

/** `services.serving.knative.dev`, or the plural alone in the core group. */
export function resourceName({ group, plural }: Pick<KindDefinition, 'group' | 'plural'>): string {
  return group === '' ? plural : `${plural}.${group}`;
}

const detailsOf = ({ group, plural }: KindDefinition, name: string): Details => ({
  name,
  ...(group !== '' && { group }),
  kind: plural,
});

export const notFound = (kind: KindDefinition, name: string): ApiError =>
  new ApiError(404, 'NotFound', `${resourceName(kind)} "${name}" not found`, detailsOf(kind, name));

export const alreadyExists = (kind: KindDefinition, name: string): ApiError =>
  new ApiError(409, 'AlreadyExists', `${resourceName(kind)} "${name}" already exists`, detailsOf(kind, name));

export const conflict = (kind: KindDefinition, name: string, why?: string): ApiError => {
  const text =
    why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  return new ApiError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${resourceName(kind)} "${name}": ${text}`,
    detailsOf(kind, name),
  );
};

export const badRequest = (message: string): ApiError => new ApiError(400, 'BadRequest', message);

/** `The Service "x" is invalid`, with a cause for each field. */
export function invalid(
  kind: Pick<KindDefinition, 'group' | 'kind' | 'plural'>,
  name: string,
  causes: readonly Cause[],
): ApiError {
  const rendered = causes.map(({ field, message }) => (field === '' ? message : `${field}: ${message}`));
  const text = rendered.length === 1 ? rendered[0] : `[${rendered.join(', ')}]`;
  const title = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new ApiError(422, 'Invalid', `${title} "${name}" is invalid: ${text}`, {
    name,
    ...(kind.group !== '' && { group: kind.group }),
    kind: kind.kind,
    causes,
  });
}

export const expired = (asked: string, oldest: number): ApiError =>
  new ApiError(410, 'Expired', `too old resource version: ${asked} (${oldest})`);
