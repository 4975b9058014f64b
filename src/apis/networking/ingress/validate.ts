import { below, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { Ingress, IngressPath, IngressRule, IngressSplit } from './types.ts';

/** As somebody may have written it, before it is known to be whole. */
type Draft<T> = { readonly [K in keyof T]?: T[K] | undefined };

/** networking pkg/apis/networking/v1alpha1/ingress_validation.go. */
export function ingressErrors({ spec }: { readonly spec?: Draft<Ingress['spec']> }): FieldError[] {
  const rules = spec?.rules ?? [];
  if (rules.length === 0) return [missingField('spec.rules')];
  return rules.flatMap((rule, i) => below(`spec.rules[${i}]`, ruleErrors(rule)));
}

function ruleErrors({ hosts, http }: Draft<IngressRule>): FieldError[] {
  const missing = (hosts ?? []).length === 0 ? [missingField('hosts')] : [];
  if (http === undefined) return [...missing, missingField('http')];
  if (http.paths.length === 0) return [...missing, missingField('http.paths')];
  return [...missing, ...http.paths.flatMap((path, i) => below(`http.paths[${i}]`, pathErrors(path)))];
}

function pathErrors(path: Draft<IngressPath>): FieldError[] {
  const splits = path.splits ?? [];
  if (splits.length === 0) return [missingField('splits')];
  const errors = splits.flatMap((split, i) => below(`splits[${i}]`, splitErrors(split)));
  const sum = splits.reduce((total, { percent }) => total + (percent ?? (splits.length === 1 ? 100 : 0)), 0);
  const message = `Traffic split percentage must total to 100, but was ${sum}`;
  return sum === 100 ? errors : [...errors, { message, paths: ['splits'] }];
}

function splitErrors({ percent = 0, ...split }: Draft<IngressSplit>): FieldError[] {
  const required = ['serviceName', 'serviceNamespace', 'servicePort'] as const;
  const missing = required.filter((name) => !split[name]).map((name) => missingField(name));
  return percent < 0 || percent > 100 ? [...missing, invalidValue(percent, 'percent')] : missing;
}
