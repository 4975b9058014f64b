import { isDeepStrictEqual } from 'node:util';
import type { AdmissionContext } from '../../kind.ts';
import { childName } from '../../names.ts';
import type { ObjectMeta } from '../../resource.ts';
import { nameFrom } from '../defaults-config.ts';
import { withSecureDefaults } from './secure-defaults.ts';
import type { Container, Probe, Revision, RevisionSpec, Volume } from '../types.ts';

type Config = Readonly<Record<string, string>>;

/** serving pkg/apis/serving/v1/revision_defaults.go, with the values of ConfigMap config-defaults. */
export function withRevisionDefaults(
  spec: RevisionSpec,
  context: AdmissionContext,
  owner: Partial<ObjectMeta> = {},
  before?: RevisionSpec,
): RevisionSpec {
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const number = (name: string, fallback: number): number => Number(config[name] ?? fallback);
  const timeoutSeconds = spec.timeoutSeconds || number('revision-timeout-seconds', 300);
  const { containers, initContainers, volumes = [] } = spec;
  const taken = new Set([...(containers ?? []), ...(initContainers ?? [])].map(({ name = '' }) => name));
  const withNames = (of: readonly Container[], template: string): readonly Container[] =>
    named(of, nameFrom(template, owner), taken);
  return {
    ...spec,
    containerConcurrency: spec.containerConcurrency ?? number('container-concurrency', 0),
    timeoutSeconds,
    ...timeoutDefaults(spec, timeoutSeconds, config),
    ...(containers !== undefined && {
      ...linksDefault(spec, before, context, config),
      containers: withNames(containers, config['container-name-template'] ?? 'user-container').map(
        (container) =>
          withSecureDefaults(withContainerDefaults(container, containers, volumes, config), spec, context),
      ),
    }),
    ...(initContainers !== undefined && {
      initContainers: withNames(
        initContainers,
        config['init-container-name-template'] ?? 'init-container',
      ).map((container) => withSecureDefaults(container, spec, context)),
    }),
  };
}

/** Only what is said, and less than the whole, is written down. */
function timeoutDefaults(spec: RevisionSpec, timeoutSeconds: number, config: Config): Partial<RevisionSpec> {
  const start = Number(
    config['revision-response-start-timeout-seconds'] ?? config['revision-timeout-seconds'] ?? 300,
  );
  const idle = Number(config['revision-idle-timeout-seconds'] ?? 0);
  return {
    ...(spec.responseStartTimeoutSeconds === undefined &&
      start !== 0 &&
      start < timeoutSeconds && { responseStartTimeoutSeconds: start }),
    ...(spec.idleTimeoutSeconds === undefined &&
      idle !== 0 &&
      idle < timeoutSeconds && { idleTimeoutSeconds: idle }),
  };
}

/** Of what is new, where it has containers; `default` leaves it to Kubernetes. Left out later, it is kept. */
function linksDefault(
  { enableServiceLinks, containers = [] }: RevisionSpec,
  before: RevisionSpec | undefined,
  { operation }: AdmissionContext,
  config: Config,
): Partial<RevisionSpec> {
  if (enableServiceLinks !== undefined || containers.length === 0) return {};
  const kept = before?.enableServiceLinks;
  if (operation !== 'CREATE') return kept === undefined ? {} : { enableServiceLinks: kept };
  const value = config['enable-service-links']?.toLowerCase() ?? 'false';
  return value === 'default' ? {} : { enableServiceLinks: value === 'true' };
}

function withContainerDefaults(
  container: Container,
  all: readonly Container[],
  volumes: readonly Volume[],
  config: Config,
): Container {
  const isServing = all.length === 1 || (container.ports ?? []).length > 0;
  const { readinessProbe, livenessProbe, startupProbe } = container;
  return {
    ...withMountDefaults(container, volumes),
    // Of a sidecar only what is written has defaults.
    ...((isServing || readinessProbe !== undefined) && {
      readinessProbe: withServiceName(readinessDefaults(readinessProbe, isServing)),
    }),
    ...(livenessProbe && { livenessProbe: withServiceName(livenessProbe) }),
    ...(startupProbe && { startupProbe: withServiceName(startupProbe) }),
    resources: resourceDefaults(container.resources, config),
  };
}

/** Several are numbered, and so is one whose name another container has; numbers that are taken are left out. */
function named(
  containers: readonly Container[],
  template: string,
  taken: ReadonlySet<string>,
): readonly Container[] {
  const isNumbered = containers.length > 1 || taken.has(template);
  let next = 0;
  const nextName = (): string => {
    if (!isNumbered) return template;
    for (;;) {
      const name = childName(template, `-${next}`);
      next += 1;
      if (!taken.has(name)) return name;
    }
  };
  return containers.map((container) => ({ ...container, name: container.name || nextName() }));
}

/** Read only, but of what can be written at all. */
function withMountDefaults(container: Container, volumes: readonly Volume[]): Container {
  const { volumeMounts } = container;
  if (volumeMounts === undefined) return container;
  const isWritten = (name: string | undefined): boolean => {
    const volume = volumes.find((each) => each.name === name);
    return ['emptyDir', 'persistentVolumeClaim', 'ephemeral'].some(
      (source) => Reflect.get(volume ?? {}, source) !== undefined,
    );
  };
  return {
    ...container,
    volumeMounts: volumeMounts.map((mount) => (isWritten(mount.name) ? mount : { ...mount, readOnly: true })),
  };
}

/** `revision-cpu-request` and its like, where the container says nothing. */
function resourceDefaults(
  resources: Container['resources'],
  config: Config,
): NonNullable<Container['resources']> {
  const withDefaults = (of: 'requests' | 'limits'): Readonly<Record<string, string | number>> => {
    const own = resources?.[of] ?? {};
    const defaults = ['cpu', 'memory', 'ephemeral-storage'].flatMap((resource) => {
      const value = config[`revision-${resource}-${of === 'requests' ? 'request' : 'limit'}`];
      return value === undefined || value === '' || own[resource] !== undefined
        ? []
        : [[resource, value] as const];
    });
    return { ...own, ...Object.fromEntries(defaults) };
  };
  const [requests, limits] = [withDefaults('requests'), withDefaults('limits')];
  return {
    ...resources,
    ...(Object.keys(requests).length > 0 && { requests }),
    ...(Object.keys(limits).length > 0 && { limits }),
  };
}

function readinessDefaults(probe: Probe = {}, isServing: boolean): Probe {
  const actions = [probe.httpGet, probe.exec, probe.grpc, probe.tcpSocket];
  const hasAction = actions.some((action) => action !== undefined);
  const timing = probe.periodSeconds
    ? { failureThreshold: probe.failureThreshold || 3, timeoutSeconds: probe.timeoutSeconds || 1 }
    : {};
  return {
    ...probe,
    ...timing,
    ...(!hasAction && isServing && { tcpSocket: { port: 0 } }),
    successThreshold: probe.successThreshold || 1,
  };
}

/** One that asks by gRPC asks for a service, if an empty one. */
function withServiceName(probe: Probe): Probe {
  return probe.grpc === undefined
    ? probe
    : { ...probe, grpc: { ...probe.grpc, service: probe.grpc.service ?? '' } };
}

/** Only when it is new: its spec is immutable, and other defaults by now would be a change. Written as before, it is as before. */
export function setRevisionDefaults(revision: Revision, context: AdmissionContext): Revision {
  const before = (context.old as Revision | undefined)?.spec;
  const spec = withRevisionDefaults(revision.spec ?? {}, context, {}, before);
  return before === undefined || isDeepStrictEqual(spec, before) ? { ...revision, spec } : revision;
}
