import {
  below,
  disallowedField,
  invalidKeyName,
  invalidValue,
  multipleOneOf,
  oneOf,
  outOfBounds,
} from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { dns1035Faults, qualifiedNameFaults } from '../../names.ts';
import { metadataErrors, ownerLabelErrors, rolloutErrors } from '../metadata.ts';
import { LABELS } from '../shared.ts';
import type { Route, TrafficTarget } from '../types.ts';

/** serving pkg/apis/serving/v1/route_validation.go; paths are relative to the list. */
export function trafficErrors(traffic: readonly TrafficTarget[], isOfService: boolean): FieldError[] {
  const errors = traffic.flatMap((target, i) => below(`[${i}]`, targetErrors(target, isOfService)));
  const tags = new Map<string, number>();
  for (const [i, { tag }] of traffic.entries()) {
    if (!tag) continue;
    const faults = dns1035Faults(tag);
    if (faults.length > 0)
      errors.push(invalidValue(`not a DNS 1035 label: [${faults.join(' ')}]`, `tag[${i}]`)); // sic
    const first = tags.get(tag);
    if (first === undefined) tags.set(tag, i);
    else
      errors.push({ message: `Multiple definitions for "${tag}"`, paths: [`[${i}].tag`, `[${first}].tag`] });
  }
  const sum = traffic.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum !== 100) errors.push({ message: `Traffic targets sum to ${sum}, want 100`, paths: [''] });
  return errors;
}

function targetErrors(target: TrafficTarget, isOfService: boolean): FieldError[] {
  const { percent, url, tag, revisionName, latestRevision } = target;
  const errors = whoErrors(target, isOfService);
  if (latestRevision !== undefined && latestRevision === Boolean(revisionName))
    errors.push({
      message: `may not set revisionName "${revisionName ?? ''}" when latestRevision is ${latestRevision}`,
      paths: ['latestRevision'],
    });
  if (percent !== undefined && (percent < 0 || percent > 100))
    errors.push(outOfBounds(percent, 0, 100, 'percent'));
  if (url) errors.push(disallowedField('url'), ...(tag ? [] : [disallowedField('url')]));
  return errors;
}

/** Who gets the share; a Service has one Configuration, which stands for itself. */
function whoErrors({ revisionName, configurationName }: TrafficTarget, isOfService: boolean): FieldError[] {
  if (isOfService && configurationName) return [disallowedField('configurationName')];
  if (revisionName && configurationName) return [multipleOneOf('configurationName', 'revisionName')];
  if (revisionName) return qualifiedErrors(revisionName, 'revisionName');
  if (configurationName) return qualifiedErrors(configurationName, 'configurationName');
  return isOfService ? [] : [oneOf('configurationName', 'revisionName')];
}

function qualifiedErrors(name: string, field: string): FieldError[] {
  const faults = qualifiedNameFaults(name);
  return faults.length === 0 ? [] : [invalidKeyName(name, field, faults.join(', '))];
}

export function routeErrors(route: Route, context: AdmissionContext): FieldError[] {
  return [
    ...below('spec.traffic', trafficErrors(route.spec?.traffic ?? [], false)),
    ...metadataErrors(route, context),
    ...ownerLabelErrors(route.metadata, LABELS.service),
    ...rolloutErrors(route.metadata.annotations),
  ];
}
