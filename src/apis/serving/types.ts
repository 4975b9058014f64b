import type { Addressable, Status } from '../duck.ts';
import type { Resource } from '../resource.ts';

/** One variable of a container, as far as it is read here. */
export type EnvVar = {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: KeySelector;
    readonly configMapKeyRef?: KeySelector;
    readonly fieldRef?: { readonly fieldPath: string };
    readonly resourceFieldRef?: ResourceFieldRef;
  };
};
export type KeySelector = { readonly name: string; readonly key: string; readonly optional?: boolean };
export type ResourceFieldRef = {
  readonly resource: string;
  readonly divisor?: string;
  readonly containerName?: string;
};
export type EnvFrom = {
  readonly prefix?: string;
  readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
};
export type Probe = {
  readonly tcpSocket?: { readonly port?: number | string; readonly host?: string };
  readonly httpGet?: {
    readonly host?: string;
    readonly scheme?: string;
    readonly path?: string;
    readonly port?: number | string;
    readonly httpHeaders?: readonly { name: string; value: string }[];
  };
  readonly exec?: { readonly command: readonly string[] };
  readonly grpc?: { readonly port?: number; readonly service?: string };
  readonly periodSeconds?: number;
  readonly successThreshold?: number;
  readonly failureThreshold?: number;
  readonly timeoutSeconds?: number;
  readonly initialDelaySeconds?: number;
};

export type Container = {
  readonly name?: string;
  readonly image?: string;
  readonly imagePullPolicy?: 'Always' | 'IfNotPresent' | 'Never';
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly env?: readonly EnvVar[];
  readonly envFrom?: readonly EnvFrom[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly containerPort?: number;
    readonly protocol?: string;
    readonly hostPort?: number;
  }[];
  readonly resources?: {
    readonly requests?: Readonly<Record<string, string | number>>;
    readonly limits?: Readonly<Record<string, string | number>>;
  };
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly volumeMounts?: readonly VolumeMount[];
  readonly securityContext?: SecurityContext;
  readonly terminationMessagePolicy?: string;
};
export type VolumeMount = {
  readonly name?: string;
  readonly mountPath?: string;
  readonly subPath?: string;
  readonly readOnly?: boolean;
};
/** Of a container, and as far as it is the same, of a Pod. */
export type SecurityContext = {
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsNonRoot?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly readOnlyRootFilesystem?: boolean;
  readonly seccompProfile?: unknown;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
};

export type KeyToPath = { readonly key: string; readonly path: string; readonly mode?: number };
/** A file for each key, or for those that `items` name. */
export type ObjectFiles = {
  readonly items?: readonly KeyToPath[];
  readonly optional?: boolean;
};
export type DownwardFile = {
  readonly path: string;
  readonly mode?: number;
  readonly fieldRef?: { readonly fieldPath: string };
  readonly resourceFieldRef?: ResourceFieldRef;
};
export type Projection = {
  readonly secret?: ObjectFiles & { readonly name: string };
  readonly configMap?: ObjectFiles & { readonly name: string };
  readonly downwardAPI?: { readonly items?: readonly DownwardFile[] };
  readonly serviceAccountToken?: {
    readonly path: string;
    readonly audience?: string;
    readonly expirationSeconds?: number;
  };
};
export type Volume = {
  readonly name?: string;
  readonly secret?: ObjectFiles & { readonly secretName?: string; readonly defaultMode?: number };
  readonly configMap?: ObjectFiles & { readonly name?: string; readonly defaultMode?: number };
  readonly projected?: { readonly sources?: readonly Projection[]; readonly defaultMode?: number };
  readonly emptyDir?: { readonly medium?: string; readonly sizeLimit?: string | number };
  readonly persistentVolumeClaim?: { readonly claimName?: string; readonly readOnly?: boolean };
};

export type RevisionSpec = {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly containerConcurrency?: number;
  readonly timeoutSeconds?: number;
  readonly responseStartTimeoutSeconds?: number;
  readonly idleTimeoutSeconds?: number;
  readonly serviceAccountName?: string;
  readonly enableServiceLinks?: boolean;
  readonly volumes?: readonly Volume[];
  readonly securityContext?: SecurityContext;
  // What follows is allowed by flags of config-features.
  readonly hostAliases?: readonly { readonly ip: string; readonly hostnames?: readonly string[] }[];
  readonly dnsPolicy?: string;
  readonly dnsConfig?: {
    readonly nameservers?: readonly string[];
    readonly searches?: readonly string[];
    readonly options?: readonly { readonly name: string; readonly value?: string }[];
  };
  readonly hostNetwork?: boolean;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly affinity?: object;
  readonly topologySpreadConstraints?: readonly object[];
  readonly schedulerName?: string;
  readonly priorityClassName?: string;
  readonly runtimeClassName?: string;
};
export type RevisionTemplate = {
  readonly metadata?: {
    readonly name?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec?: RevisionSpec;
};
export type TrafficTarget = {
  readonly revisionName?: string;
  readonly configurationName?: string;
  readonly latestRevision?: boolean;
  readonly percent?: number;
  readonly tag?: string;
  readonly url?: string;
};

/** What a container's image was resolved to. */
export type PinnedImage = { readonly name: string; readonly imageDigest?: string };

export type Revision = Resource & {
  readonly spec: RevisionSpec;
  readonly status?: Status & {
    readonly containerStatuses?: readonly PinnedImage[];
    readonly initContainerStatuses?: readonly PinnedImage[];
    readonly actualReplicas?: number;
    readonly desiredReplicas?: number;
  };
};
export type Configuration = Resource & {
  readonly spec: { readonly template?: RevisionTemplate };
  readonly status?: Status & {
    readonly latestCreatedRevisionName?: string;
    readonly latestReadyRevisionName?: string;
  };
};
export type Route = Resource & {
  readonly spec: { readonly traffic?: readonly TrafficTarget[] };
  readonly status?: Status & {
    readonly traffic?: readonly TrafficTarget[];
    readonly url?: string;
    readonly address?: Addressable;
  };
};
export type Service = Resource & {
  readonly spec: { readonly template?: RevisionTemplate; readonly traffic?: readonly TrafficTarget[] };
  readonly status?: Configuration['status'] & Route['status'];
};

export const KINDS = {
  service: { apiVersion: 'serving.knative.dev/v1', kind: 'Service' },
  configuration: { apiVersion: 'serving.knative.dev/v1', kind: 'Configuration' },
  revision: { apiVersion: 'serving.knative.dev/v1', kind: 'Revision' },
  route: { apiVersion: 'serving.knative.dev/v1', kind: 'Route' },
  deployment: { apiVersion: 'apps/v1', kind: 'Deployment' },
  pod: { apiVersion: 'v1', kind: 'Pod' },
} as const;
