import type { AdmissionContext } from '../../kind.ts';
import type { ObjectMeta } from '../../resource.ts';
import { nameFrom } from '../defaults-config.ts';
import type { Container, Probe, Revision, RevisionSpec, Volume } from '../types.ts';

type Config = Readonly<Record<string, string>>;

/** serving pkg/apis/serving/v1/revision_defaults.go, with the values of ConfigMap config-defaults. */
export function withRevisionDefaults(
  spec: RevisionSpec,
  context: AdmissionContext,
  owner: Partial<ObjectMeta> = {},
): RevisionSpec {
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const number = (name: string, fallback: number): number => Number(config[name] ?? fallback);
  const timeoutSeconds = spec.timeoutSeconds || number('revision-timeout-seconds', 300);
  const { containers, initContainers, volumes = [] } = spec;
  return {
    ...spec,
    containerConcurrency: spec.containerConcurrency ?? number('container-concurrency', 0),
    timeoutSeconds,
    ...timeoutDefaults(spec, timeoutSeconds, config),
    enableServiceLinks: spec.enableServiceLinks ?? linksDefault(config),
    ...(containers !== undefined && {
      containers: withContainersDefaults(containers, volumes, config, owner),
    }),
    ...(initContainers !== undefined && {
      initContainers: named(
        initContainers,
        nameFrom(config['init-container-name-template'] ?? 'init-container', owner),
      ).map((container) => withMountDefaults(container, volumes)),
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
      start > 0 &&
      start < timeoutSeconds && { responseStartTimeoutSeconds: start }),
    ...(spec.idleTimeoutSeconds === undefined && idle > 0 && { idleTimeoutSeconds: idle }),
  };
}

/** `default` leaves it to Kubernetes, where it is true. */
function linksDefault(config: Config): boolean {
  return !['false', undefined].includes(config['enable-service-links']?.toLowerCase());
}

function withContainersDefaults(
  containers: readonly Container[],
  volumes: readonly Volume[],
  config: Config,
  owner: Partial<ObjectMeta>,
): readonly Container[] {
  return named(containers, nameFrom(config['container-name-template'] ?? 'user-container', owner)).map(
    (container) => {
      const isServing = containers.length === 1 || (container.ports ?? []).length > 0;
      return {
        ...withMountDefaults(container, volumes),
        // Of a sidecar only what is written has defaults.
        ...((isServing || container.readinessProbe !== undefined) && {
          readinessProbe: probeDefaults(container.readinessProbe, isServing),
        }),
        resources: resourceDefaults(container.resources, config),
      };
    },
  );
}

/** Several are numbered. */
function named(containers: readonly Container[], template: string): readonly Container[] {
  return containers.map((container, i) => ({
    ...container,
    name: container.name || (containers.length === 1 ? template : `${template}-${i}`),
  }));
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

function probeDefaults(probe: Probe = {}, isServing: boolean): Probe {
  const actions = [probe.httpGet, probe.exec, probe.grpc, probe.tcpSocket];
  const hasAction = actions.some((action) => action !== undefined);
  const timing = probe.periodSeconds
    ? { failureThreshold: probe.failureThreshold ?? 3, timeoutSeconds: probe.timeoutSeconds ?? 1 }
    : {};
  return {
    ...probe,
    ...timing,
    ...(!hasAction && isServing && { tcpSocket: { port: 0 } }),
    successThreshold: probe.successThreshold || 1,
  };
}

export function setRevisionDefaults(revision: Revision, context: AdmissionContext): Revision {
  return { ...revision, spec: withRevisionDefaults(revision.spec ?? {}, context, revision.metadata) };
}
