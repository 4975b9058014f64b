import { createHash } from 'node:crypto';
import type { Container, Volume } from '../../apis/serving/types.ts';
import type { Resource } from '../../apis/resource.ts';
import type { ProgramPlan } from '../programs/program.ts';
import { containerSpec, servingPortOf } from './container-plan.ts';
import type { PreparedPod } from './prepare-pod.ts';

/** A Deployment, as far as it is read here. */
export type Deployment = Resource & {
  readonly spec?: {
    readonly replicas?: number;
    readonly minReadySeconds?: number;
    readonly template?: {
      readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
      readonly spec?: {
        readonly containers?: readonly Container[];
        readonly volumes?: readonly Volume[];
        readonly terminationGracePeriodSeconds?: number;
      };
    };
  };
  readonly status?: {
    /** Of which template `imageDigest` is the image: what was pushed later under its name changes nothing. */
    readonly templateHash?: string;
    readonly imageDigest?: string;
  };
};

const GRACE_S = 30;
/** Kubernetes says 0; then a program that ends at once is available for a moment, each time. */
const MIN_READY_S = 1;
const REPLICAS_MAX = 100;
/** Of a program: from its spawn to its first line of code. */
const START_MS = 60_000;
const HASH_LENGTH = 10;

/** Deployments of these owners are run; a Revision's only shows what the activator runs, and anybody else's stays as it is. */
export function isProgram({ metadata }: Resource): boolean {
  return (metadata.ownerReferences ?? []).some(
    ({ kind, controller }) => kind === 'ContainerSource' && controller === true,
  );
}

/** Tells one template from another: Kubernetes' `pod-template-hash`. */
export function templateHashOf({ spec }: Deployment): string {
  return createHash('sha256')
    .update(JSON.stringify(spec?.template ?? {}))
    .digest('hex')
    .slice(0, HASH_LENGTH);
}

/** Its first container; the others come with Deployments of any owner. */
export function planProgram(deployment: Deployment, pod: PreparedPod): ProgramPlan {
  const { namespace = '', name } = deployment.metadata;
  const { replicas = 1, minReadySeconds = MIN_READY_S, template } = deployment.spec ?? {};
  const place = { isServing: false, servingPort: servingPortOf([]), podSecurity: undefined };
  return {
    key: `${namespace}/${name}`,
    instance: {
      namespace,
      revision: name,
      service: undefined,
      configuration: undefined,
      containers: pod.containers.map((each) => containerSpec(each, place)),
      initContainers: [],
      volumes: pod.volumes,
      readyTimeoutMs: START_MS,
    },
    replicas: Math.min(Math.max(0, replicas), REPLICAS_MAX),
    generation: templateHashOf(deployment),
    graceMs: (template?.spec?.terminationGracePeriodSeconds ?? GRACE_S) * 1000,
    availableAfterMs: minReadySeconds * 1000,
  };
}
