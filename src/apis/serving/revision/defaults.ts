import type { AdmissionContext } from '../../kind.ts';
import type { Container, Probe, Revision, RevisionSpec } from '../types.ts';

/** serving pkg/apis/serving/v1/revision_defaults.go, with the values of ConfigMap config-defaults. */
export function withRevisionDefaults(spec: RevisionSpec, context: AdmissionContext): RevisionSpec {
  const config = context.configMap('knative-serving', 'config-defaults') ?? {};
  const number = (name: string, fallback: number): number => Number(config[name] ?? fallback);
  const timeoutSeconds = spec.timeoutSeconds ?? number('revision-timeout-seconds', 300);
  return {
    ...spec,
    containerConcurrency: spec.containerConcurrency ?? number('container-concurrency', 0),
    timeoutSeconds,
    enableServiceLinks: spec.enableServiceLinks ?? false,
    ...(spec.containers !== undefined && {
      containers: spec.containers.map((container) => withContainerDefaults(container, config)),
    }),
  };
}

function withContainerDefaults(container: Container, config: Readonly<Record<string, string>>): Container {
  return {
    ...container,
    name: container.name ?? config['container-name-template'] ?? 'user-container',
    readinessProbe: probeDefaults(container.readinessProbe),
    resources: container.resources ?? {},
  };
}

function probeDefaults(probe: Probe = {}): Probe {
  const hasAction =
    probe.httpGet !== undefined ||
    probe.exec !== undefined ||
    probe.grpc !== undefined ||
    probe.tcpSocket !== undefined;
  const timing = probe.periodSeconds
    ? { failureThreshold: probe.failureThreshold ?? 3, timeoutSeconds: probe.timeoutSeconds ?? 1 }
    : {};
  return {
    ...probe,
    ...timing,
    ...(!hasAction && { tcpSocket: { port: 0 } }),
    successThreshold: probe.successThreshold ?? 1,
  };
}

export function setRevisionDefaults(revision: Revision, context: AdmissionContext): Revision {
  return { ...revision, spec: withRevisionDefaults(revision.spec ?? {}, context) };
}
