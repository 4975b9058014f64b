import type {
  Revision,
  RevisionSpec,
  RevisionTemplate,
  Service,
  TrafficTarget,
} from '../../serving/types.ts';
import type {
  ConfigurationSpecThen,
  RevisionSpecThen,
  RevisionTemplateThen,
  ServiceSpecThen,
  TrafficTargetThen,
} from './types.ts';

/** serving v0.12, revision_conversion.go. What is said of builds was refused before (validate.ts). */
export function revisionSpecNow(spec: RevisionSpecThen): RevisionSpec {
  const {
    generation: _generation,
    servingState: _state,
    concurrencyModel,
    buildName: _name,
    buildRef: _ref,
    container,
    ...rest
  } = spec;
  const isSingle = concurrencyModel === 'Single' && rest.containerConcurrency === undefined;
  return {
    ...rest,
    ...(container !== undefined && { containers: [container] }),
    ...(isSingle && { containerConcurrency: 1 }),
  };
}

/** As 2018 wrote it, where it could: with one container. */
export function revisionSpecThen(spec: RevisionSpec): RevisionSpecThen {
  const { containers = [], ...rest } = spec;
  const [only] = containers;
  return only === undefined || containers.length > 1 || rest.initContainers !== undefined
    ? spec
    : { ...rest, container: only };
}

function templateNow(template: RevisionTemplateThen): RevisionTemplate {
  const { spec, ...rest } = template;
  return { ...rest, ...(spec !== undefined && { spec: revisionSpecNow(spec) }) };
}

export function templateThen(template: RevisionTemplate): RevisionTemplateThen {
  const { spec, ...rest } = template;
  return { ...rest, ...(spec !== undefined && { spec: revisionSpecThen(spec) }) };
}

/** configuration_conversion.go. */
export function configurationSpecNow(spec: ConfigurationSpecThen | undefined): {
  readonly template?: RevisionTemplate;
} {
  const template = spec?.revisionTemplate ?? spec?.template;
  return template === undefined ? {} : { template: templateNow(template) };
}

export function configurationSpecThen({
  template,
}: {
  readonly template?: RevisionTemplate;
}): ConfigurationSpecThen {
  return template === undefined ? {} : { revisionTemplate: templateThen(template) };
}

/** route_conversion.go. */
export function trafficNow(traffic: readonly TrafficTargetThen[]): TrafficTarget[] {
  return traffic.map(({ name, ...target }) => ({ ...target, ...(name !== undefined && { tag: name }) }));
}

/** In a Route of 2018 a target says which revision or which configuration, and its share. */
export function trafficThen(traffic: readonly TrafficTarget[]): TrafficTargetThen[] {
  return traffic.map(({ tag, ...target }) => ({ ...target, ...(tag !== undefined && { name: tag }) }));
}

/** service_conversion.go; `manual` has no form today, and becomes a Service that says nothing. */
export function serviceSpecNow(spec: ServiceSpecThen): Service['spec'] {
  const { runLatest, release, pinned, manual, traffic } = spec;
  if (runLatest !== undefined)
    return {
      ...configurationSpecNow(runLatest.configuration),
      traffic: [{ percent: 100, latestRevision: true }],
    };
  if (release !== undefined)
    return { ...configurationSpecNow(release.configuration), traffic: releaseTraffic(release) };
  if (pinned !== undefined) {
    const { revisionName = '' } = pinned;
    return { ...configurationSpecNow(pinned.configuration), traffic: [{ revisionName, percent: 100 }] };
  }
  if (manual !== undefined) return {};
  return { ...configurationSpecNow(spec), ...(traffic !== undefined && { traffic: trafficNow(traffic) }) };
}

function releaseTraffic({
  revisions = [],
  rolloutPercent = 0,
}: NonNullable<ServiceSpecThen['release']>): TrafficTarget[] {
  const [current = '', candidate] = revisions;
  const shares =
    candidate === undefined
      ? [share('current', current, 100)]
      : [share('current', current, 100 - rolloutPercent), share('candidate', candidate, rolloutPercent)];
  return [...shares, { tag: 'latest', latestRevision: true }];
}

const LATEST = '@latest';

function share(tag: string, revisionName: string, percent: number): TrafficTarget {
  return revisionName === LATEST ? { tag, percent, latestRevision: true } : { tag, percent, revisionName };
}

/** A Service that was written in v1: as `runLatest` where that says it all, else with template and traffic side by side. */
export function serviceSpecThen({ template, traffic = [] }: Service['spec']): ServiceSpecThen {
  const [only] = traffic;
  const isLatest =
    traffic.length === 1 && only?.latestRevision === true && only.percent === 100 && only.tag === undefined;
  const configuration = configurationSpecThen({ ...(template !== undefined && { template }) });
  if (isLatest && template !== undefined) return { runLatest: { configuration } };
  return {
    ...(template !== undefined && { template }),
    ...(traffic.length > 0 && { traffic: traffic.map((target) => ({ ...target })) }),
  };
}

/**
 * The three states of 2018: Active has instances, Reserve is routed to and at zero, Retired gets no requests any more. A
 * revision that nothing has been decided about is Active, as it was then.
 */
export function servingStateOf({ metadata, status }: Revision): 'Active' | 'Reserve' | 'Retired' {
  if (metadata.labels?.['serving.knative.dev/routingState'] === 'reserve') return 'Retired';
  return status?.actualReplicas === 0 ? 'Reserve' : 'Active';
}
