import { below, invalidValue, missingField, multipleOneOf, oneOf, outOfBounds } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { Probe } from '../types.ts';

const INT32_MAX = 2 ** 31 - 1;
const HANDLERS = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;

/** What a probe may name as its port: the name of the port that serves, or, of a sidecar, any number. */
export type ProbePort = { readonly name: string } | 'its own';

/** serving pkg/apis/serving/k8s_validation.go, validateProbe; what was found before an action is put below the action. */
export function probeErrors(probe: Probe | undefined, port: ProbePort): FieldError[] {
  if (probe === undefined) return [];
  const named = HANDLERS.filter((handler) => probe[handler] !== undefined);
  let errors: FieldError[] = [];
  for (const handler of named) errors = [...below(handler, errors), ...portErrors(probe, handler, port)];
  if (named.length === 0) return [...errors, oneOf(...HANDLERS)];
  const shown = named.map((handler) => (handler === 'grpc' ? 'gRPC' : handler));
  return named.length > 1 ? [...errors, multipleOneOf(...shown)] : errors;
}

function portErrors(probe: Probe, handler: (typeof HANDLERS)[number], port: ProbePort): FieldError[] {
  if (handler !== 'httpGet' && handler !== 'tcpSocket') return [];
  const { port: own = 0 } = probe[handler] ?? {};
  const path = `${handler}.port`;
  if (port === 'its own')
    return own === 0 || own === '' ? [invalidValue(own, path, 'Probe port must be specified')] : [];
  return typeof own === 'string' && own !== '' && own !== port.name
    ? [invalidValue(own, path, 'Probe port must match container port')]
    : [];
}

export function readinessErrors(probe: Probe | undefined, port: ProbePort): FieldError[] {
  if (probe === undefined) return [];
  const { periodSeconds = 0, initialDelaySeconds = 0, successThreshold = 0 } = probe;
  const { failureThreshold = 0, timeoutSeconds = 0 } = probe;
  const atLeast = (value: number, least: number, name: string): FieldError[] =>
    value < least ? [outOfBounds(value, least, INT32_MAX, name)] : [];
  const aggressive = (name: 'failureThreshold' | 'timeoutSeconds', value: number): FieldError[] =>
    value === 0 ? [] : [{ message: `${name} is disallowed when periodSeconds is zero`, paths: [name] }];
  return [
    ...probeErrors(probe, port),
    ...atLeast(periodSeconds, 0, 'periodSeconds'),
    ...atLeast(initialDelaySeconds, 0, 'initialDelaySeconds'),
    ...atLeast(successThreshold, 1, 'successThreshold'),
    ...(periodSeconds === 0
      ? [...aggressive('failureThreshold', failureThreshold), ...aggressive('timeoutSeconds', timeoutSeconds)]
      : [
          ...atLeast(timeoutSeconds, 1, 'timeoutSeconds'),
          ...atLeast(failureThreshold, 1, 'failureThreshold'),
        ]),
  ];
}

/** Of a container that may have none: each of what it sets. */
export function disallowedProbe(probe: Probe | undefined, name: string): FieldError[] {
  if (probe === undefined) return [];
  const paths = Object.entries(probe)
    .filter(([, value]) => value !== undefined && value !== 0) // 0 is what is not set
    .map(([field]) => (HANDLERS.some((handler) => handler === field) ? name : `${name}.${field}`));
  return paths.length === 0 ? [] : [{ message: 'must not set the field(s)', paths: [...new Set(paths)] }];
}

export const required = (value: string | undefined, path: string): FieldError[] =>
  value === undefined || value === '' ? [missingField(path)] : [];
