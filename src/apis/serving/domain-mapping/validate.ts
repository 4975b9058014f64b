import { isDeepStrictEqual } from 'node:util';
import { below, disallowedField, invalidValue, missingField } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { labelFault, subdomainFault } from '../../names.ts';
import { ANNOTATIONS } from '../shared.ts';
import { reachErrors } from './reach.ts';
import type { DomainMapping } from './types.ts';

const CLUSTER_DOMAIN = 'cluster.local';

/** serving pkg/apis/serving/v1beta1/domainmapping_validation.go. */
export function domainMappingErrors(mapping: DomainMapping, { old }: AdmissionContext): FieldError[] {
  const { metadata, spec } = mapping;
  const before = old as DomainMapping | undefined; // of the same kind
  return [
    ...below('metadata', [
      ...(metadata.generateName ? [disallowedField('generateName')] : []),
      ...nameErrors(metadata.name),
      ...below('annotations', [
        ...(before === undefined ? [] : userErrors(mapping, before)),
        ...reachErrors(metadata.annotations),
      ]),
    ]),
    ...below('spec.ref', refErrors(spec.ref, metadata.namespace ?? '')),
  ];
}

function nameErrors(name: string): FieldError[] {
  const fault = domainFault(name);
  const errors: FieldError[] = [];
  if (fault !== undefined)
    errors.push({ message: `invalid name ${JSON.stringify(name)}: ${fault}`, paths: ['name'] });
  if (name.endsWith(`.${CLUSTER_DOMAIN}`))
    errors.push({
      message: `invalid name ${JSON.stringify(name)}: must not be a subdomain of cluster local domain "${CLUSTER_DOMAIN}"`,
      paths: ['name'],
    });
  return errors;
}

/** apimachinery's IsFullyQualifiedDomainName. */
function domainFault(given: string): string | undefined {
  const name = given.replace(/\.$/, ''); // that of the root
  const invalid = (value: string, why: string): string =>
    `name: Invalid value: ${JSON.stringify(value)}: ${why}`;
  const subdomain = subdomainFault(name);
  if (subdomain !== undefined) return invalid(name, subdomain);
  const labels = name.split('.');
  if (labels.length < 2)
    return invalid(name, 'should be a domain with at least two segments separated by dots');
  const label = labels.find((each) => labelFault(each) !== undefined);
  return label === undefined ? undefined : invalid(label, labelFault(label) ?? '');
}

/** knative pkg/apis/duck/v1/knative_reference.go */
function refErrors(
  { name, kind, apiVersion, namespace, ...more }: Partial<DomainMapping['spec']['ref']>,
  own: string,
): FieldError[] {
  const group: unknown = Reflect.get(more, 'group');
  const missing = Object.entries({ name, apiVersion, kind }).filter(([, value]) => !value);
  const errors: FieldError[] = missing.map(([field]) => missingField(field));
  if (group) errors.push(disallowedField('group'));
  if (namespace && own && namespace !== own)
    errors.push({
      message: 'mismatched namespaces',
      paths: ['namespace'],
      details: `parent namespace: ${JSON.stringify(own)} does not match ref: ${JSON.stringify(namespace)}`,
    });
  return errors;
}

/** Who made it stays so, and who changed it last changes with its spec alone. */
function userErrors(now: DomainMapping, before: DomainMapping): FieldError[] {
  const isOther = (name: string): boolean => {
    const value = now.metadata.annotations?.[name];
    return value !== undefined && value !== (before.metadata.annotations?.[name] ?? '');
  };
  const made = isOther(ANNOTATIONS.creator)
    ? [{ message: 'annotation value is immutable', paths: [ANNOTATIONS.creator] }]
    : [];
  const isStale = isDeepStrictEqual(now.spec, before.spec) && isOther(ANNOTATIONS.lastModifier);
  const modifier = now.metadata.annotations?.[ANNOTATIONS.lastModifier];
  return isStale ? [...made, invalidValue(modifier, ANNOTATIONS.lastModifier)] : made;
}
