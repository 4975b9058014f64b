import { INGRESS, type Ingress, type IngressPath } from '../../../apis/networking/ingress/types.ts';
import { childName } from '../../../apis/names.ts';
import type { DomainMapping } from '../../../apis/serving/domain-mapping/types.ts';
import { ANNOTATIONS } from '../../../apis/serving/shared.ts';
import { ownerOf } from '../../../control/owned.ts';
import { INGRESS_CLASS, OWN_CLASS } from '../traffic/route-ingress.ts';
import type { Target } from './target.ts';

type Found = Extract<Target, { kind: 'found' }>;

export type DomainIngressParts = Pick<Ingress['spec'], 'tls' | 'httpOption'> & {
  readonly hosts: readonly string[];
  readonly target: Found;
  readonly byPath: readonly (Found & { readonly prefix: string })[];
};

export function ingressName({ metadata: { name } }: DomainMapping): string {
  return childName(name, '');
}

/**
 * What the gateway is told of a DomainMapping (serving pkg/reconciler/domainmapping/resources/ingress.go): the name inside
 * the cluster whose route takes a request, so that a roll-out there needs nothing here.
 */
export function domainIngress(mapping: DomainMapping, parts: DomainIngressParts): Ingress {
  const { namespace, uid = '', labels = {}, annotations = {} } = mapping.metadata;
  const { [ANNOTATIONS.lastApplied]: _applied, ...handed } = annotations;
  const { tls = [], httpOption = 'Enabled', hosts, target, byPath } = parts;
  const paths = [
    ...byPath.map((each) => ({ path: each.prefix, ...pathTo(mapping, each) })),
    pathTo(mapping, target),
  ];
  return {
    ...INGRESS,
    metadata: {
      name: ingressName(mapping),
      ...(namespace !== undefined && { namespace }),
      labels: {
        ...labels,
        'serving.knative.dev/domainMappingUID': uid,
        'serving.knative.dev/domainMappingNamespace': namespace ?? '',
      },
      annotations: { [INGRESS_CLASS]: OWN_CLASS, ...handed },
      ownerReferences: [ownerOf(mapping)],
    },
    spec: {
      httpOption,
      rules: [{ hosts, visibility: 'ExternalIP', http: { paths } }],
      ...(tls.length > 0 && { tls }),
    },
  };
}

function pathTo({ metadata }: DomainMapping, { host, service }: Found): IngressPath {
  return {
    rewriteHost: host,
    splits: [
      {
        serviceNamespace: metadata.namespace ?? '',
        serviceName: service,
        servicePort: 80,
        percent: 100,
        appendHeaders: { 'K-Original-Host': metadata.name },
      },
    ],
  };
}
