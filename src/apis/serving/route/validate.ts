import { below, disallowedField, invalidValue, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { dns1035Fault } from '../../names.ts';
import { metadataErrors } from '../metadata.ts';
import { LABELS } from '../shared.ts';
import type { Route, TrafficTarget } from '../types.ts';

/** serving pkg/apis/serving/v1/route_validation.go; paths are relative to the list. */
export function trafficErrors(traffic: readonly TrafficTarget[], isOfService: boolean): FieldError[] {
  const errors = traffic.flatMap((target, i) => below(`[${i}]`, targetErrors(target, isOfService)));
  const tags = new Map<string, number[]>();
  for (const [i, { tag }] of traffic.entries()) {
    if (!tag) continue;
    const fault = dns1035Fault(tag);
    if (fault !== undefined) errors.push(invalidValue(`not a DNS 1035 label: [${fault}]`, `tag[${i}]`)); // sic
    tags.set(tag, [...(tags.get(tag) ?? []), i]);
  }
  for (const [tag, places] of tags) {
    if (places.length > 1)
      errors.push({ message: `Multiple definitions for "${tag}"`, paths: places.map((i) => `[${i}].tag`) });
  }
  const sum = traffic.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum !== 100) errors.push({ message: `Traffic targets sum to ${sum}, want 100`, paths: [''] });
  return errors;
}

function targetErrors(
  { percent, url, revisionName, configurationName, latestRevision }: TrafficTarget,
  isOfService: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  if (percent !== undefined && (percent < 0 || percent > 100))
    errors.push(outOfBounds(percent, 0, 100, 'percent'));
  if (url) errors.push(disallowedField('url'));
  if (isOfService && configurationName) errors.push(disallowedField('configurationName'));
  if (!isOfService && !revisionName && !configurationName)
    errors.push({
      message: 'expected exactly one, got neither',
      paths: ['configurationName', 'revisionName'],
    });
  if (revisionName && configurationName)
    errors.push({ message: 'expected exactly one, got both', paths: ['configurationName', 'revisionName'] });
  if (latestRevision !== undefined && latestRevision === Boolean(revisionName))
    errors.push({
      message: `may not set revisionName "${revisionName ?? ''}" when latestRevision is ${latestRevision}`,
      paths: ['latestRevision'],
    });
  return errors;
}

export function routeErrors(route: Route, context: AdmissionContext): FieldError[] {
  return [
    ...below('spec.traffic', trafficErrors(route.spec?.traffic ?? [], false)),
    ...metadataErrors(route, context, [LABELS.service]),
  ];
}
