import Type from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { int64 } from '../../schema.ts';
import { LEGACY_WEBHOOK, legacyKind, READY_COLUMNS } from '../legacy-kind.ts';

export const EVENTING_THEN = 'eventing.knative.dev/v1alpha1';

/** Which middleware keeps the events of its channels, by its name (eventing v0.2.0, cluster_channel_provisioner_types.go). */
export const CLUSTER_CHANNEL_PROVISIONER = { apiVersion: EVENTING_THEN, kind: 'ClusterChannelProvisioner' };

export const PROVISIONER_CONDITIONS: ConditionSet = { happy: 'Ready', dependents: [] };

export const clusterChannelProvisionerKind: KindDefinition<Resource> = legacyKind<Resource>(
  {
    group: 'eventing.knative.dev',
    kind: 'ClusterChannelProvisioner',
    plural: 'clusterchannelprovisioners',
    singular: 'clusterchannelprovisioner',
    shortNames: ['ccp'],
    categories: ['all', 'knative', 'eventing', 'provisioner'],
    scope: 'Cluster',
    webhook: LEGACY_WEBHOOK,
  },
  {
    spec: Type.Object(
      { generation: Type.Optional(int64('Not used.')) },
      { description: 'Nothing: the name says it.' },
    ),
    columns: READY_COLUMNS,
  },
);
