import type { Clock } from '../../base/clock.ts';
import { isFalse, isTrue, type Mark } from '../../apis/conditions.ts';
import { INGRESS, type Ingress } from '../../apis/networking/ingress/types.ts';
import { isWildcard, pathTargets } from '../../apis/serving/domain-mapping/reach.ts';
import {
  DOMAIN_MAPPING,
  DOMAIN_MAPPING_CONDITIONS,
  type DomainMapping,
} from '../../apis/serving/domain-mapping/types.ts';
import { isOwnedBy } from '../../control/owned.ts';
import type { Outcome, Reconciler, Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { claimDomain, releaseDomain } from './domains/claim.ts';
import { domainIngress, ingressName, type DomainIngressParts } from './domains/domain-ingress.ts';
import { findPathTarget, findTarget } from './domains/target.ts';
import { ingressMark, NOT_CONFIGURED } from './ingress-mark.ts';
import {
  networkSettings,
  plainScheme,
  publicUrlOf,
  type NetworkSettings,
  type PublicDoor,
} from './network-settings.ts';
import { lookAgain } from './tls/certificate.ts';
import { hostTls, type HostTls } from './tls/host-tls.ts';

export type DomainMappingSettings = { readonly door: PublicDoor; readonly clock: Clock };

/** Claims a domain for its namespace, and tells the gateway who it leads to (serving pkg/reconciler/domainmapping). */
export function domainMappingReconciler(
  cluster: ResourceClient,
  settings: DomainMappingSettings,
): Reconciler<DomainMapping> {
  return {
    kind: DOMAIN_MAPPING,
    conditions: DOMAIN_MAPPING_CONDITIONS,
    finalizer: 'domainmappings.serving.knative.dev',
    async reconcile(mapping) {
      return await new Mapping(cluster, mapping, settings, await networkSettings(cluster)).make();
    },
    async finalize(mapping) {
      const { network } = await networkSettings(cluster);
      await removeIngress(cluster, mapping);
      await releaseDomain(cluster, mapping, network);
      return [];
    },
  };
}

async function removeIngress(cluster: ResourceClient, mapping: DomainMapping): Promise<void> {
  const { namespace } = mapping.metadata;
  const known = await cluster.find(INGRESS, namespace, ingressName(mapping));
  if (known !== undefined && isOwnedBy(known, mapping))
    await cluster.remove(INGRESS, namespace, known.metadata.name);
}

/** One pass over a DomainMapping. */
class Mapping {
  readonly #cluster: ResourceClient;
  readonly #mapping: DomainMapping;
  readonly #settings: DomainMappingSettings;
  readonly #network: NetworkSettings;
  readonly #marks: Mark[] = [];

  constructor(
    cluster: ResourceClient,
    mapping: DomainMapping,
    settings: DomainMappingSettings,
    network: NetworkSettings,
  ) {
    this.#cluster = cluster;
    this.#mapping = mapping;
    this.#settings = settings;
    this.#network = network;
  }

  async make(): Promise<Outcome> {
    const { network } = this.#network;
    const scheme = plainScheme(this.#settings.door, network);
    const claimed = await claimDomain(this.#cluster, this.#mapping, network);
    this.#marks.push(claimed);
    if (claimed.status !== 'True') {
      await removeIngress(this.#cluster, this.#mapping); // whoever has the domain now has its requests
      return this.#stopped(scheme);
    }
    const tls = await this.#tls();
    if ('fault' in tls) return this.#stopped(scheme, isFalse('IngressReady', 'ErrorConfig', tls.fault));
    this.#marks.push(tls.mark);
    const told = tls.tls.length > 0 ? 'https' : scheme;
    const targets = await this.#targets();
    this.#marks.push(targets.mark);
    if (targets.found === undefined) return this.#stopped(told);
    return await this.#route(targets.found, tls, told);
  }

  get #hosts(): readonly string[] {
    const { name, annotations } = this.#mapping.metadata;
    return isWildcard(annotations) ? [name, `*.${name}`] : [name];
  }

  #tls(): ReturnType<typeof hostTls> {
    const { metadata, spec } = this.#mapping;
    const { namespace = '', annotations = {} } = metadata;
    const secret = spec.tls && { namespace, name: spec.tls.secretName };
    const { door, clock } = this.#settings;
    const wanted = { hosts: this.#hosts, annotations, secret };
    return hostTls(this.#cluster, wanted, this.#network, door, clock.nowMs());
  }

  async #targets(): Promise<{
    readonly mark: Mark;
    readonly found?: Pick<DomainIngressParts, 'target' | 'byPath'>;
  }> {
    const { namespace = '', annotations } = this.#mapping.metadata;
    const failed = (message: string): { mark: Mark } => ({
      mark: isFalse('ReferenceResolved', 'ResolveFailed', message),
    });
    const target = await findTarget(this.#cluster, this.#mapping);
    if (target.kind === 'missing') return failed(target.message);
    const byPath: DomainIngressParts['byPath'][number][] = [];
    for (const each of pathTargets(annotations)) {
      const found = await findPathTarget(this.#cluster, each, namespace);
      if (found.kind === 'missing') return failed(found.message);
      byPath.push({ ...found, prefix: each.prefix });
    }
    return { mark: isTrue('ReferenceResolved'), found: { target, byPath } };
  }

  async #route(
    found: Pick<DomainIngressParts, 'target' | 'byPath'>,
    { tls, httpOption, untilMs }: HostTls,
    scheme: string,
  ): Promise<Outcome> {
    const { namespace } = this.#mapping.metadata;
    const name = ingressName(this.#mapping);
    const known = await this.#cluster.find(INGRESS, namespace, name);
    if (known !== undefined && !isOwnedBy(known, this.#mapping))
      return this.#stopped(
        scheme,
        isFalse(
          'IngressReady',
          'NotOwned',
          `There is an existing Ingress "${name}" that we do not own. Delete it, and it is made anew.`,
        ),
      );
    const desired = domainIngress(this.#mapping, { ...found, hosts: this.#hosts, tls, httpOption });
    const ingress = await this.#cluster.apply<Ingress>(desired);
    const events: Told[] =
      known === undefined
        ? [{ type: 'Normal', reason: 'Created', message: `Created Ingress "${name}"` }]
        : [];
    const nowMs = this.#settings.clock.nowMs();
    return {
      marks: [...this.#marks, ingressMark(ingress)],
      status: this.#status(scheme),
      next: untilMs === undefined ? 'settled' : lookAgain(untilMs, nowMs),
      events,
    };
  }

  /** What was there before goes on; a changed mapping is not ready by what there was. */
  #stopped(scheme: string, why?: Mark): Outcome {
    const { status, metadata } = this.#mapping;
    const isNew = status?.observedGeneration !== metadata.generation;
    const isOut = this.#marks.some(({ type, status: is }) => type === 'DomainClaimed' && is !== 'True');
    const ingress = why ?? (isNew || isOut ? NOT_CONFIGURED : undefined);
    const marks = ingress === undefined ? this.#marks : [...this.#marks, ingress];
    return { marks, status: this.#status(scheme), next: 'wait' };
  }

  #status(scheme: string): Outcome['status'] {
    const url = publicUrlOf(this.#settings.door, this.#mapping.metadata.name, scheme);
    return { url, address: { url } };
  }
}
