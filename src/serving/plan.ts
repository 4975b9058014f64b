import { hostNameOf } from '../http/host-check.ts';
import type { HorizontalPlan } from './autoscaler/horizontal.ts';
import type { InstanceSpec } from './runtime/runtime.ts';

/** How a revision scales; computed from annotations and config-autoscaler (autoscaler/decide.ts has the formulas). */
export type ScalePlan = {
  readonly scaler: Scaler;
  /** Whether a Route may lead to it; what none leads to has no minimum, and goes as fast as it can. */
  readonly isReachable: boolean;
  readonly minScale: number; // of what is reachable
  readonly maxScale: number; // 0: no bound
  /** Instances to start without a request when the revision is first seen. */
  readonly initialScale: number;
  readonly activationScale: number; // at least so many when scaling up from zero
  readonly metric: 'concurrency' | 'rps';
  /** What one instance should have, utilisation included. */
  readonly target: number;
  /** What one instance takes at most, without the utilization. */
  readonly total: number;
  /** Requests at once, beyond those of now, that are to find room; -1: however many. */
  readonly burstCapacity: number;
  readonly algorithm: 'linear' | 'weighted-exponential';
  readonly windowMs: number;
  readonly panicWindowMs: number;
  readonly panicThreshold: number; // a ratio: 2 means 200 %
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly scaleDownDelayMs: number;
  readonly retentionMs: number; // of the last instance, beyond the window
  /** So long it is tried to reach `initialScale`; then a revision that cannot start rests until a request comes. */
  readonly progressDeadlineMs: number;
  readonly isScaledToZero: boolean; // enable-scale-to-zero
};

/** Who decides (annotation `class`). */
export type Scaler =
  | { readonly kind: 'kpa' }
  | { readonly kind: 'hpa'; readonly plan: HorizontalPlan }
  /** Nobody here can: it stays at `minScale`. Why is told in conditions. */
  | { readonly kind: 'held'; readonly reason: string; readonly message: string };

/** Everything that serving needs to know of a Revision. */
export type RevisionPlan = {
  readonly key: string; // namespace/name
  readonly instance: InstanceSpec;
  readonly containerConcurrency: number; // 0: no bound
  /** What instances speak; `detect`: it is found out at the first request to each. */
  readonly protocol: 'http1' | 'h2c' | 'detect';
  readonly timeoutMs: number; // of a whole request
  readonly responseStartTimeoutMs: number; // until its first byte; 0: none
  readonly idleTimeoutMs: number; // since the last byte; 0: none
  readonly scale: ScalePlan;
};

/** Who takes a request, by percentages that sum up to 100; chosen anew for each one. */
export type Targets = readonly { readonly revision: string; readonly percent: number }[];
/** Headers that a request is given on its way, as a flat list of names and values. */
export type AddedHeaders = readonly string[];

/** Who takes what comes one way. */
export type Way = {
  readonly targets: Targets;
  readonly addedHeaders?: AddedHeaders;
  /** Before `targets`, in this order: who takes a request that has a header with just this value. */
  readonly byHeader?: readonly {
    readonly header: string; // in lower case
    readonly value: string;
    readonly targets: Targets;
    readonly addedHeaders?: AddedHeaders;
  }[];
  /** In place of all these: a name inside, whose route decides as it is then. */
  readonly to?: string;
};

/** Which hosts lead to which revisions. A tag is a route of its own. */
export type RoutePlan = Way & {
  readonly key: string; // namespace/name of its Ingress, and which of its rules it is
  /** When it was made; of several that ask for one host the oldest has it. */
  readonly since?: string;
  readonly publicHosts: readonly string[]; // `*.shop.example`: all names below
  readonly localHosts: readonly string[];
  /** In place of `targets`: who takes a request for this port of the host; of a v1 Service. */
  readonly byPort?: ReadonlyMap<number, Targets>;
  /** Who takes what begins with a path; the longest is the first. */
  readonly byPath?: readonly (Way & { readonly prefix: string })[];
  /** Plain HTTP is sent on to https. */
  readonly isSecureOnly?: boolean;
};

/** The name of a service, or of one of its tags, in host names (networking pkg/config: tag-template). */
export function taggedName(name: string, tag: string | undefined): string {
  return tag === undefined ? name : `${tag}-${name}`;
}

/** The host that a service answers to outside; `domain` comes without port (networking pkg/config: domain-template). */
export function publicHostOf(namespace: string, name: string, domain: string): string {
  return hostNameOf(`${name}.${namespace}.${domain}`);
}

/** The names inside the cluster that a service answers to (serving pkg/reconciler/route/domains). */
export function localHostsOf(namespace: string, name: string): readonly string[] {
  return [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
}
