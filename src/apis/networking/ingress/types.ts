import type { Status } from '../../duck.ts';
import type { Resource } from '../../resource.ts';

export const INGRESS = { apiVersion: 'networking.internal.knative.dev/v1alpha1', kind: 'Ingress' } as const;

export type Visibility = 'ExternalIP' | 'ClusterLocal';

/** Who gets which share of what a path takes. */
export type IngressSplit = {
  readonly serviceNamespace: string;
  readonly serviceName: string; // of a Revision
  readonly servicePort: number | string; // 80; 81 when it speaks HTTP/2 in clear
  readonly percent?: number; // 100 when it is the only one
  readonly appendHeaders?: Readonly<Record<string, string>>;
};
export type IngressPath = {
  readonly path?: string; // a prefix; absent: every path
  readonly rewriteHost?: string;
  /** All of these have to be as they stand here. */
  readonly headers?: Readonly<Record<string, { readonly exact: string }>>;
  readonly appendHeaders?: Readonly<Record<string, string>>;
  readonly splits: readonly IngressSplit[];
};
export type IngressRule = {
  readonly hosts: readonly string[];
  readonly visibility?: Visibility; // ExternalIP
  readonly http: { readonly paths: readonly IngressPath[] };
};
export type LoadBalancer = {
  readonly ingress: readonly {
    readonly ip?: string;
    readonly domain?: string;
    readonly domainInternal?: string;
    readonly meshOnly?: boolean;
  }[];
};

/** What a network layer is told of a Route (networking pkg/apis/networking/v1alpha1/ingress_types.go); here it is our gateway. */
export type Ingress = Resource & {
  readonly spec: {
    readonly httpOption?: 'Enabled' | 'Redirected';
    readonly rules: readonly IngressRule[];
    readonly tls?: readonly {
      readonly hosts?: readonly string[];
      readonly secretName?: string;
      readonly secretNamespace?: string;
    }[];
  };
  readonly status?: Status & {
    readonly publicLoadBalancer?: LoadBalancer;
    readonly privateLoadBalancer?: LoadBalancer;
  };
};
