import Type from 'typebox';
import { invalidValue, missingField } from '../field-error.ts';
import type { FieldError } from '../kind.ts';
import { identifierFault, labelFaults, qualifiedNameFaults } from '../names.ts';
import { text } from '../schema.ts';

/** Kinds that the autoscaler makes for itself; operators and tests look at them. */
export const INTERNAL_GROUP = 'autoscaling.internal.knative.dev';
export const CRD = { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} };

/** What is scaled. */
export type ScaleTarget = { readonly apiVersion?: string; readonly kind?: string; readonly name?: string };

export const scaleTarget = (description: string) =>
  Type.Object(
    {
      apiVersion: Type.Optional(text('API version of the referent.')),
      kind: Type.Optional(text('Kind of the referent.')),
      name: Type.Optional(text('Name of the referent.')),
    },
    { description },
  );

/** serving pkg/apis/serving/k8s_validation.go, ValidateNamespacedObjectReference. */
export function scaleTargetErrors({ apiVersion = '', kind = '', name = '' }: ScaleTarget = {}): FieldError[] {
  const check = (value: string, field: string, faults: readonly string[]): FieldError[] => {
    if (value === '') return [missingField(field)];
    return faults.length === 0 ? [] : [invalidValue(faults.join(', '), field)];
  };
  return [
    ...check(apiVersion, 'apiVersion', qualifiedNameFaults(apiVersion)),
    ...check(kind, 'kind', [identifierFault(kind) ?? []].flat()),
    ...check(name, 'name', labelFaults(name)),
  ];
}

/** networking pkg/apis/networking/generic_types.go */
export function protocolErrors(protocol = ''): FieldError[] {
  if (protocol === '') return [missingField('')];
  return ['http1', 'h2c'].includes(protocol) ? [] : [invalidValue(protocol, '')];
}

/** Whether upstream would see nothing in it: every member is missing, or is Go's zero. */
export function isEmptySpec(spec: unknown): boolean {
  if (typeof spec === 'object' && spec !== null) return Object.values(spec).every(isEmptySpec);
  return spec === undefined || spec === null || spec === '' || spec === 0;
}
