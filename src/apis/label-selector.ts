import Type from 'typebox';
import { below, invalidValue, missingField } from './field-error.ts';
import type { FieldError } from './kind.ts';
import { stringMap, text } from './schema.ts';

/** Kubernetes' label selector (apimachinery meta/v1 LabelSelector): all that it says has to hold; an empty one takes everything. */
export type LabelSelector = {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly LabelRequirement[];
};

export type LabelRequirement = {
  readonly key: string;
  readonly operator: string; // In, NotIn, Exists, DoesNotExist: selectorErrors() refuses others
  readonly values?: readonly string[];
};

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

export const labelSelector = (description: string) =>
  Type.Object(
    {
      matchLabels: Type.Optional(stringMap('Labels with these values.')),
      matchExpressions: Type.Optional(
        Type.Array(
          Type.Object({
            key: Type.Optional(text('The label.')),
            operator: Type.Optional(text('In, NotIn, Exists or DoesNotExist.')),
            values: Type.Optional(Type.Array(Type.String(), { description: 'For In and NotIn.' })),
          }),
          { description: 'Requirements, all of which have to hold.' },
        ),
      ),
    },
    { description },
  );

/** What makes it no selector, in the words of apimachinery (LabelSelectorAsSelector); paths are relative to it. */
export function selectorErrors({ matchExpressions = [] }: LabelSelector): FieldError[] {
  return matchExpressions.flatMap(({ key, operator, values = [] }, i) => {
    const at = `matchExpressions[${i}]`;
    if (!key) return below(at, [missingField('key')]);
    if (!OPERATORS.includes(operator)) {
      const why = `${JSON.stringify(operator)} is not a valid label selector operator`;
      return below(at, [invalidValue(operator, 'operator', why)]);
    }
    const takesValues = operator === 'In' || operator === 'NotIn';
    if (takesValues === values.length > 0) return [];
    const why = takesValues
      ? "for 'in', 'notin' operators, values set can't be empty"
      : 'values set must be empty for exists and does not exist';
    return below(at, [invalidValue(values, 'values', why)]);
  });
}

export function isSelected(
  { matchLabels = {}, matchExpressions = [] }: LabelSelector,
  labels: Readonly<Record<string, string>> = {},
): boolean {
  const valueOf = (key: string): string | undefined => (Object.hasOwn(labels, key) ? labels[key] : undefined);
  return (
    Object.entries(matchLabels).every(([key, value]) => valueOf(key) === value) &&
    matchExpressions.every((requirement) => isMet(requirement, valueOf(requirement.key)))
  );
}

/** An absent label is not in any set (apimachinery labels.Requirement). */
function isMet({ operator, values = [] }: LabelRequirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      return false;
  }
}

/** As the `labelSelector` of a request has it: `app=web,tier in (a,b),!draft`. */
export function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`);
  const requirements = matchExpressions.map(({ key, operator, values = [] }) => {
    if (operator === 'Exists') return key;
    if (operator === 'DoesNotExist') return `!${key}`;
    return `${key} ${operator.toLowerCase()} (${values.join(',')})`;
  });
  return [...labels, ...requirements].join(',');
}
