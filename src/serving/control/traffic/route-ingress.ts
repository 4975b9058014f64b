import {
  INGRESS,
  type Ingress,
  type IngressPath,
  type IngressRule,
  type IngressSplit,
} from '../../../apis/networking/ingress/types.ts';
import { ANNOTATIONS, LABELS } from '../../../apis/serving/shared.ts';
import type { Route } from '../../../apis/serving/types.ts';
import { ownerOf } from '../../../control/owned.ts';
import type { Hosts } from './hosts.ts';
import { rolloutText, ROLLOUT_ANNOTATION } from './rollout-text.ts';
import type { Rollout } from './rollout.ts';
import type { Target, Traffic } from './targets.ts';

export const INGRESS_CLASS = 'networking.knative.dev/ingress.class';
/** Ours: the gateway of this platform (upstream's default is Istio's). */
export const OWN_CLASS = 'millrace.ingress.networking.knative.dev';
const TAG_HEADER = 'Knative-Serving-Tag';
const DEFAULT_ROUTE_HEADER = 'Knative-Serving-Default-Route';

export type IngressParts = {
  readonly tls: Ingress['spec']['tls'];
  readonly httpOption: NonNullable<Ingress['spec']['httpOption']>;
  readonly traffic: Traffic;
  readonly rollout: Rollout;
  /** By tag; the route's own has none. */
  readonly hosts: ReadonlyMap<string, Hosts>;
  /** config-features, `tag-header-based-routing`: a tag can be asked for by a header on the route's own host. */
  readonly isRoutedByTagHeader: boolean;
};

/** What the gateway is told of a Route (serving pkg/reconciler/route/resources/ingress.go). */
export function ingressOf(route: Route, parts: IngressParts): Ingress {
  const { name, namespace, labels = {}, annotations = {} } = route.metadata;
  const { [ANNOTATIONS.lastApplied]: _applied, ...handed } = annotations;
  return {
    ...INGRESS,
    metadata: {
      name,
      ...(namespace !== undefined && { namespace }),
      labels: { ...labels, [LABELS.route]: name, [LABELS.routeNamespace]: namespace ?? '' },
      annotations: {
        [INGRESS_CLASS]: OWN_CLASS,
        [ROLLOUT_ANNOTATION]: rolloutText(parts.rollout),
        ...handed,
      },
      ownerReferences: [ownerOf(route)],
    },
    spec: {
      httpOption: parts.httpOption,
      rules: rulesOf(namespace ?? '', parts),
      ...(parts.tls !== undefined && parts.tls.length > 0 && { tls: parts.tls }),
    },
  };
}

/** The route's own host first, then its tags; for each the names inside the cluster, then those outside. */
function rulesOf(namespace: string, parts: IngressParts): IngressRule[] {
  const tags = [...parts.traffic.byTag.keys()].toSorted();
  return tags.flatMap((tag) => {
    const hosts = parts.hosts.get(tag);
    if (hosts === undefined) return [];
    const http = { paths: pathsOf(namespace, tag, tags, parts) };
    return [
      { hosts: hosts.local, visibility: 'ClusterLocal' as const, http },
      ...(hosts.public.length === 0
        ? []
        : [{ hosts: hosts.public, visibility: 'ExternalIP' as const, http }]),
    ];
  });
}

/**
 * With routing by header, the route's own host has a path for each tag before its own, and says of a request that took
 * none of them that it came by the default; a tag's own host says which tag it is.
 */
function pathsOf(
  namespace: string,
  tag: string,
  tags: readonly string[],
  { traffic, rollout, isRoutedByTagHeader }: IngressParts,
): IngressPath[] {
  const splits = (of: string): IngressSplit[] =>
    (traffic.byTag.get(of) ?? []).flatMap((target) => splitsOf(namespace, target, of, rollout));
  if (!isRoutedByTagHeader) return [{ splits: splits(tag) }];
  if (tag !== '') return [{ appendHeaders: { [TAG_HEADER]: tag }, splits: splits(tag) }];
  const tagged = tags.filter((each) => each !== '');
  return [
    ...tagged.map((each) => ({ headers: { [TAG_HEADER]: { exact: each } }, splits: splits(each) })),
    { appendHeaders: { [DEFAULT_ROUTE_HEADER]: 'true' }, splits: splits('') },
  ];
}

function splitsOf(namespace: string, target: Target, tag: string, rollout: Rollout): IngressSplit[] {
  const { configurationName, latestRevision, percent, protocol } = target;
  if (percent === 0) return [];
  const rolled = rollout.find(
    (each) => latestRevision && each.tag === tag && each.configurationName === configurationName,
  );
  const shares = rolled?.revisions ?? [{ revisionName: target.revisionName, percent }];
  return shares.map((share) => ({
    serviceNamespace: namespace,
    serviceName: share.revisionName,
    servicePort: protocol === 'h2c' ? 81 : 80,
    percent: share.percent,
    appendHeaders: {
      'Knative-Serving-Namespace': namespace,
      'Knative-Serving-Revision': share.revisionName,
    },
  }));
}
