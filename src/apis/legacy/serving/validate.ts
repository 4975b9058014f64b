import { below, disallowedField, invalidValue, missingField, oneOf, outOfBounds } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import { dns1035Fault } from '../../names.ts';
import type {
  ConfigurationSpecThen,
  RevisionSpecThen,
  RevisionTemplateThen,
  ServiceSpecThen,
  TrafficTargetThen,
} from './types.ts';

/**
 * The rules that v1alpha1 alone had (serving v0.4 to v0.8, its *_validation.go); all others are checked on what is kept. Paths
 * are relative to the spec.
 */
const multipleOneOf = (...paths: string[]): FieldError => ({
  message: 'expected exactly one, got both',
  paths: paths.toSorted(),
});

const NO_BUILDS =
  'builds are not supported by this version of Millrace: push the image with `millrace push`, and leave it out';
const isEmpty = (value: object | undefined): boolean => Object.keys(value ?? {}).length === 0;

export function revisionErrorsThen(spec: RevisionSpecThen | undefined): FieldError[] {
  if (spec === undefined || isEmpty(spec)) return [missingField('')];
  const { container, containers, servingState = '', concurrencyModel = '' } = spec;
  const errors: FieldError[] = [];
  if (container !== undefined && containers !== undefined)
    errors.push(multipleOneOf('container', 'containers'));
  else if (container === undefined && containers === undefined) errors.push(oneOf('container', 'containers'));
  if (!['', 'Active', 'Reserve', 'Retired'].includes(servingState))
    errors.push(invalidValue(servingState, 'servingState'));
  if (!['', 'Single', 'Multi'].includes(concurrencyModel))
    errors.push(invalidValue(concurrencyModel, 'concurrencyModel'));
  const { containerConcurrency } = spec;
  if (concurrencyModel === 'Single' && containerConcurrency !== undefined && containerConcurrency !== 1)
    errors.push(multipleOneOf('containerConcurrency', 'concurrencyModel'));
  const builds = (['buildName', 'buildRef'] as const).filter((field) => spec[field] !== undefined);
  return [...errors, ...builds.map((field) => ({ ...disallowedField(field), details: NO_BUILDS }))];
}

function templateErrorsThen(template: RevisionTemplateThen): FieldError[] {
  return below('spec', revisionErrorsThen(template.spec));
}

export function configurationErrorsThen(spec: ConfigurationSpecThen | undefined): FieldError[] {
  if (spec === undefined || isEmpty(spec)) return [missingField('')];
  const { build, revisionTemplate, template } = spec;
  const errors = build === undefined ? [] : [{ ...disallowedField('build'), details: NO_BUILDS }];
  if (revisionTemplate !== undefined && template !== undefined)
    return [...errors, multipleOneOf('revisionTemplate', 'template')];
  if (revisionTemplate !== undefined)
    return [...errors, ...below('revisionTemplate', templateErrorsThen(revisionTemplate))];
  return template === undefined
    ? [...errors, oneOf('revisionTemplate', 'template')]
    : [...errors, ...below('template', templateErrorsThen(template))];
}

const WAYS = ['runLatest', 'release', 'manual', 'pinned'] as const;

export function serviceErrorsThen(spec: ServiceSpecThen | undefined): FieldError[] {
  const { runLatest, release, pinned, traffic = [], ...inlined } = spec ?? {};
  const ways: string[] = WAYS.filter((way) => spec?.[way] !== undefined);
  const errors: FieldError[] = [];
  if (ways.length > 0 && traffic.length > 0) errors.push(multipleOneOf('traffic', ...ways));
  const isInlined = inlined.template !== undefined || inlined.revisionTemplate !== undefined;
  if (isInlined) ways.push('template');
  if (ways.length > 1) errors.push(multipleOneOf(...ways));
  if (ways.length === 0) errors.push(oneOf(...WAYS, 'template'));
  if (runLatest !== undefined) errors.push(...below('runLatest', configuredErrors(runLatest.configuration)));
  if (release !== undefined) errors.push(...below('release', releaseErrors(release)));
  if (pinned !== undefined) errors.push(...below('pinned', pinnedErrors(pinned)));
  if (isInlined) errors.push(...configurationErrorsThen(inlined));
  return errors;
}

function configuredErrors(configuration: ConfigurationSpecThen | undefined): FieldError[] {
  return below('configuration', configurationErrorsThen(configuration));
}

function pinnedErrors({ revisionName, configuration }: NonNullable<ServiceSpecThen['pinned']>): FieldError[] {
  return [...(revisionName ? [] : [missingField('revisionName')]), ...configuredErrors(configuration)];
}

function releaseErrors(release: NonNullable<ServiceSpecThen['release']>): FieldError[] {
  const { revisions = [], rolloutPercent = 0, configuration } = release;
  const errors: FieldError[] = [];
  if (revisions.length === 0) errors.push(missingField('revisions'));
  if (revisions.length > 2) errors.push(outOfBounds(revisions.length, 1, 2, 'revisions'));
  for (const [i, name] of revisions.entries()) {
    const fault = name === '@latest' ? undefined : dns1035Fault(name);
    if (fault !== undefined) errors.push(invalidValue(`not a DNS 1035 label: [${fault}]`, `revisions[${i}]`));
  }
  if (revisions.length < 2 && rolloutPercent !== 0)
    errors.push(invalidValue(rolloutPercent, 'rolloutPercent'));
  if (rolloutPercent < 0 || rolloutPercent > 99)
    errors.push(outOfBounds(rolloutPercent, 0, 99, 'rolloutPercent'));
  return [...errors, ...configuredErrors(configuration)];
}

/** route_validation.go; shares and names are checked on what is kept, whose tags they are. */
export function trafficErrorsThen(traffic: readonly TrafficTargetThen[]): FieldError[] {
  return traffic.flatMap(({ name, tag }, i) =>
    name !== undefined && tag !== undefined ? [multipleOneOf(`traffic[${i}].name`, `traffic[${i}].tag`)] : [],
  );
}
