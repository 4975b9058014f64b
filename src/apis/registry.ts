import type { GroupKind, KindDefinition } from './kind.ts';
import { deploymentKind } from './apps/deployment.ts';
import { replicaSetKind } from './apps/replica-set.ts';
import { cronJobKind } from './batch/cron-job.ts';
import { jobKind } from './batch/job.ts';
import * as core from './core/core-kinds.ts';
import { endpointsKind, endpointSliceKind } from './core/endpoints.ts';
import { nodeKind } from './core/node.ts';
import { podKind } from './core/pod.ts';
import { serviceKind as coreServiceKind } from './core/service.ts';
import { horizontalPodAutoscalerKind } from './autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import { metricKind } from './autoscaling/metric/metric.ts';
import { podAutoscalerKind } from './autoscaling/pod-autoscaler/pod-autoscaler.ts';
import { LEGACY_KINDS } from './legacy/legacy-kinds.ts';
import { channelKind } from './messaging/channel/channel.ts';
import { googleChannelKind } from './messaging/google-channel/google-channel.ts';
import { inMemoryChannelKind } from './messaging/in-memory-channel/in-memory-channel.ts';
import { kafkaChannelKind } from './messaging/kafka-channel/kafka-channel.ts';
import { logChannelKind } from './messaging/log-channel/log-channel.ts';
import { pubSubChannelKind } from './messaging/pubsub-channel/pubsub-channel.ts';
import { rabbitmqChannelKind } from './messaging/rabbitmq-channel/rabbitmq-channel.ts';
import { subscriptionKind } from './messaging/subscription/subscription.ts';
import { clusterDomainClaimKind } from './networking/cluster-domain-claim/cluster-domain-claim.ts';
import { ingressKind } from './networking/ingress/ingress.ts';
import { serverlessServiceKind } from './networking/serverless-service/serverless-service.ts';
import { apiServerSourceKind } from './sources/api-server-source/api-server-source.ts';
import { cloudPubSubSourceKind } from './sources/cloud-pubsub-source/cloud-pubsub-source.ts';
import { containerSourceKind } from './sources/container-source/container-source.ts';
import { eventTypeKind } from './eventing/event-type/event-type.ts';
import { gitHubSourceKind } from './sources/github-source/github-source.ts';
import { kafkaSourceKind } from './sources/kafka-source/kafka-source.ts';
import { kubernetesEventSourceKind } from './sources/kubernetes-event-source/kubernetes-event-source.ts';
import { pingSourceKind } from './sources/ping-source/ping-source.ts';
import { rabbitmqSourceKind } from './sources/rabbitmq-source/rabbitmq-source.ts';
import { sinkBindingKind } from './sources/sink-binding/sink-binding.ts';
import { webhookSourceKind } from './sources/webhook-source/webhook-source.ts';
import { configurationKind } from './serving/configuration/configuration.ts';
import { domainMappingKind } from './serving/domain-mapping/domain-mapping.ts';
import { revisionKind } from './serving/revision/revision.ts';
import { routeKind } from './serving/route/route.ts';
import { serviceKind } from './serving/service/service.ts';

/** Every kind that the API serves. Adding one is its folder and a line here, before those of 2018. */
export const KINDS: readonly KindDefinition[] = [
  core.namespaceKind,
  core.configMapKind,
  core.secretKind,
  core.serviceAccountKind,
  core.eventKind,
  podKind,
  coreServiceKind,
  endpointsKind,
  endpointSliceKind,
  deploymentKind,
  replicaSetKind,
  jobKind,
  cronJobKind,
  core.crdKind,
  nodeKind,
  channelKind,
  logChannelKind,
  inMemoryChannelKind,
  kafkaChannelKind,
  rabbitmqChannelKind,
  pubSubChannelKind,
  subscriptionKind,
  eventTypeKind,
  serviceKind,
  configurationKind,
  revisionKind,
  routeKind,
  domainMappingKind,
  podAutoscalerKind,
  metricKind,
  horizontalPodAutoscalerKind,
  serverlessServiceKind,
  ingressKind,
  clusterDomainClaimKind,
  gitHubSourceKind,
  apiServerSourceKind,
  kubernetesEventSourceKind,
  webhookSourceKind,
  pingSourceKind,
  kafkaSourceKind,
  rabbitmqSourceKind,
  containerSourceKind,
  sinkBindingKind,
  cloudPubSubSourceKind,
  googleChannelKind,
  ...LEGACY_KINDS,
];

/** Finds kinds the ways that requests name them. */
export class KindRegistry {
  readonly kinds: readonly KindDefinition[];

  constructor(kinds: readonly KindDefinition[] = KINDS) {
    this.kinds = kinds;
  }

  byKind({ group, kind }: GroupKind): KindDefinition | undefined {
    return this.kinds.find((each) => each.group === group && each.kind === kind);
  }

  byResource(group: string, version: string, plural: string): KindDefinition | undefined {
    return this.kinds.find(
      (each) => each.group === group && each.plural === plural && each.versions.includes(version),
    );
  }

  /** Groups and their versions, the core group first. */
  groups(): ReadonlyMap<string, readonly string[]> {
    const groups = new Map<string, string[]>();
    for (const { group, versions } of this.kinds) {
      const known = groups.get(group) ?? [];
      groups.set(group, [...known, ...versions.filter((version) => !known.includes(version))]);
    }
    return groups;
  }
}

/** `apps/v1` has the group `apps`, `v1` the core group. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}

export function apiVersionOf({ group, versions }: KindDefinition, version: string = versions[0]): string {
  return group === '' ? version : `${group}/${version}`;
}
