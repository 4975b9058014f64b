import type { Resource } from '../../resource.ts';
import type {
  Container,
  Revision,
  RevisionSpec,
  RevisionTemplate,
  TrafficTarget,
} from '../../serving/types.ts';

/** serving v0.2.0, revision_types.go; `containers` and what stands beside it came with v0.6. */
export type RevisionSpecThen = RevisionSpec & {
  readonly generation?: number;
  readonly servingState?: string;
  readonly concurrencyModel?: string;
  readonly buildName?: string;
  readonly buildRef?: unknown;
  readonly container?: Container;
};
export type RevisionTemplateThen = Omit<RevisionTemplate, 'spec'> & { readonly spec?: RevisionSpecThen };

/** configuration_types.go: `revisionTemplate` in 2018, `template` from v0.6 on. */
export type ConfigurationSpecThen = {
  readonly generation?: number;
  readonly build?: unknown;
  readonly revisionTemplate?: RevisionTemplateThen;
  readonly template?: RevisionTemplateThen;
};

/** route_types.go: what has been called `tag` since was a `name` in 2018. */
export type TrafficTargetThen = TrafficTarget & { readonly name?: string };

type Configured = { readonly configuration?: ConfigurationSpecThen };

/** service_types.go: one of the four ways of 2018, or a template and its traffic side by side, from v0.6 on. */
export type ServiceSpecThen = ConfigurationSpecThen & {
  readonly runLatest?: Configured;
  readonly pinned?: Configured & { readonly revisionName?: string };
  readonly release?: Configured & {
    readonly revisions?: readonly string[];
    readonly rolloutPercent?: number;
  };
  readonly manual?: object;
  readonly traffic?: readonly TrafficTargetThen[];
};

export type ServiceThen = Resource & { readonly spec?: ServiceSpecThen; readonly status?: object };
export type ConfigurationThen = Resource & {
  readonly spec?: ConfigurationSpecThen;
  readonly status?: object;
};
export type RevisionThen = Resource & {
  readonly spec?: RevisionSpecThen;
  readonly status?: Revision['status'] & { readonly serviceName?: string; readonly imageDigest?: string };
};
export type RouteThen = Resource & {
  readonly spec?: { readonly generation?: number; readonly traffic?: readonly TrafficTargetThen[] };
  readonly status?: object;
};
