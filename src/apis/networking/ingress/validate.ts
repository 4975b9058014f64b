import { isEmptySpec } from '../../autoscaling/internal.ts';
import { below, invalidValue, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { Ingress, IngressPath, IngressRule, IngressSplit } from './types.ts';

/** As somebody may have written it, before it is known to be whole. */
type Draft<T> = { readonly [K in keyof T]?: T[K] | undefined };
type Tls = NonNullable<Ingress['spec']['tls']>[number];

/** Where requests go first, unless it is said (networking pkg/apis/networking/v1alpha1/ingress_defaults.go). */
export function setIngressDefaults(ingress: Ingress): Ingress {
  const { spec } = ingress as { readonly spec?: Draft<Ingress['spec']> };
  if (spec?.rules === undefined) return ingress;
  const rules = spec.rules.map((rule) => ({
    ...withWholeShares(rule),
    visibility: rule.visibility ?? 'ExternalIP',
  }));
  return { ...ingress, spec: { ...ingress.spec, rules } };
}

/** The only split gets all. */
function withWholeShares(rule: IngressRule): IngressRule {
  const http: Draft<IngressRule['http']> | undefined = rule.http;
  if (http?.paths === undefined) return rule;
  const paths = http.paths.map((path) => {
    const splits: readonly IngressSplit[] = path.splits ?? [];
    const [only] = splits;
    return only === undefined || splits.length > 1 || only.percent
      ? path
      : { ...path, splits: [{ ...only, percent: 100 }] };
  });
  return { ...rule, http: { ...http, paths } };
}

/** networking pkg/apis/networking/v1alpha1/ingress_validation.go. */
export function ingressErrors({ metadata, ...ingress }: Ingress): FieldError[] {
  const { spec } = ingress as { readonly spec?: Draft<Ingress['spec']> };
  const { rules = [], tls = [], httpOption = 'Enabled' } = spec ?? {};
  if (isEmptySpec(spec)) return [missingField('spec')];
  return below('spec', [
    ...(rules.length === 0 ? [missingField('rules')] : []),
    ...rules.flatMap((rule, i) => below(`rules[${i}]`, ruleErrors(rule, metadata.namespace ?? ''))),
    ...tls.flatMap((each, i) => below(`tls[${i}]`, tlsErrors(each))),
    ...(['Enabled', 'Redirected', ''].includes(httpOption) ? [] : [invalidValue(httpOption, 'httpOption')]),
  ]);
}

function ruleErrors({ http }: Draft<IngressRule>, namespace: string): FieldError[] {
  if (http === undefined) return [missingField('http')];
  const paths = http.paths ?? [];
  if (paths.length === 0) return [missingField('http.paths')];
  return paths.flatMap((path, i) => below(`http.paths[${i}]`, pathErrors(path, namespace)));
}

/** The first split that is wrong is all that is said. */
function pathErrors(path: Draft<IngressPath>, namespace: string): FieldError[] {
  const { splits = [] } = path;
  if (isEmptySpec(path)) return [missingField('')];
  if (splits.length === 0) return [missingField('splits')];
  for (const [i, split] of splits.entries()) {
    const errors = below(`splits[${i}]`, splitErrors(split, namespace));
    if (errors.length > 0) return errors;
  }
  const sum = splits.reduce((total, { percent = 0 }) => total + percent, 0);
  const isWhole = sum === 100 || (splits.length === 1 && sum === 0);
  return isWhole
    ? []
    : [{ message: `traffic split percentage must total to 100, but was ${sum}`, paths: ['splits'] }];
}

function splitErrors(split: Draft<IngressSplit>, namespace: string): FieldError[] {
  const { percent = 0, serviceNamespace = '', serviceName = '', servicePort = 0 } = split;
  const bounds = percent < 0 || percent > 100 ? [invalidValue(percent, 'percent')] : [];
  if (serviceNamespace === '' && serviceName === '' && !servicePort) return [...bounds, missingField('')];
  const isForeign = serviceNamespace !== '' && serviceNamespace !== namespace;
  return [
    ...bounds,
    ...(serviceNamespace === '' ? [missingField('serviceNamespace')] : []),
    ...(isForeign
      ? [{ message: 'service namespace must match ingress namespace', paths: ['serviceNamespace'] }]
      : []),
    ...(serviceName === '' ? [missingField('serviceName')] : []),
    ...(servicePort ? [] : [missingField('servicePort')]),
  ];
}

function tlsErrors(tls: Tls): FieldError[] {
  if ((tls.hosts ?? []).length === 0 && !tls.secretName && !tls.secretNamespace) return [missingField('')];
  return (['secretName', 'secretNamespace'] as const)
    .filter((name) => !tls[name])
    .map((name) => missingField(name));
}
