import { conditionOf, isFalse, isReady, isTrue, isUnknown } from '../../apis/conditions.ts';
import { childName } from '../../apis/names.ts';
import { CONFIGURATION_CONDITIONS } from '../../apis/serving/configuration/status.ts';
import { LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Configuration, type Revision } from '../../apis/serving/types.ts';
import { settled, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';

/** A Revision for each generation of the template (serving pkg/reconciler/configuration). */
export function configurationReconciler(cluster: ResourceClient): Reconciler<Configuration> {
  return {
    kind: KINDS.configuration,
    conditions: CONFIGURATION_CONDITIONS,
    async reconcile(configuration) {
      const { namespace = '', name, generation = 1 } = configuration.metadata;
      const template = configuration.spec.template ?? {};
      const revisionName =
        template.metadata?.name ?? childName(name, `-${String(generation).padStart(5, '0')}`);
      const existing = await cluster.find<Revision>(KINDS.revision, namespace, revisionName);
      if (existing !== undefined && !isOwnedBy(existing, configuration)) {
        return settled(
          {},
          isFalse(
            'Ready',
            'RevisionFailed',
            `Revision creation failed with message: revision "${revisionName}" belongs to somebody else.`,
          ),
        );
      }
      const revision = existing ?? (await cluster.apply<Revision>(revisionOf(configuration, revisionName)));
      const latestReady = await latestReadyOf(cluster, configuration, revision);
      const before = configuration.status?.latestReadyRevisionName;
      const events: Told[] = [];
      if (existing === undefined)
        events.push({ type: 'Normal', reason: 'Created', message: `Created Revision "${revisionName}"` });
      if (latestReady !== undefined && latestReady !== before) {
        if (before === undefined)
          events.push({
            type: 'Normal',
            reason: 'ConfigurationReady',
            message: 'Configuration becomes ready',
          });
        events.push({
          type: 'Normal',
          reason: 'LatestReadyUpdate',
          message: `LatestReadyRevisionName updated to "${latestReady}"`,
        });
      }
      const status = { latestCreatedRevisionName: revisionName, latestReadyRevisionName: latestReady };
      const ready = conditionOf(revision.status, 'Ready');
      if (ready?.status === 'True') return { ...settled(status, isTrue('Ready')), events };
      if (ready?.status !== 'False')
        return { ...settled(status, isUnknown('Ready', ready?.reason, ready?.message)), events };
      const message = `Revision "${revisionName}" failed with message: ${ready.message ?? ''}.`;
      const failure = `Latest created revision "${revisionName}" has failed`;
      if (conditionOf(configuration.status, 'Ready')?.message !== message)
        events.push({ type: 'Warning', reason: 'LatestCreatedFailed', message: failure });
      return { ...settled(status, isFalse('Ready', 'RevisionFailed', message)), events };
    },
  };
}

function revisionOf(configuration: Configuration, name: string): Revision {
  const { metadata, spec } = configuration;
  const { labels = {}, annotations = {} } = spec.template?.metadata ?? {};
  const service = metadata.labels?.[LABELS.service];
  return {
    ...KINDS.revision,
    metadata: {
      name,
      ...(metadata.namespace !== undefined && { namespace: metadata.namespace }),
      labels: {
        ...labels,
        [LABELS.configuration]: metadata.name,
        [LABELS.configurationUid]: metadata.uid ?? '',
        [LABELS.configurationGeneration]: String(metadata.generation ?? 1),
        ...(service !== undefined && {
          [LABELS.service]: service,
          [LABELS.serviceUid]: metadata.labels?.[LABELS.serviceUid] ?? '',
        }),
        [LABELS.routingState]: 'pending',
      },
      annotations: { ...annotations },
      ownerReferences: [ownerOf(configuration)],
    },
    spec: spec.template?.spec ?? {},
  };
}

/** The newest ready revision; it moves forward only, and passes over failed ones. */
async function latestReadyOf(
  cluster: ResourceClient,
  configuration: Configuration,
  latest: Revision,
): Promise<string | undefined> {
  if (isReady(latest)) return latest.metadata.name;
  const { items } = await cluster.list<Revision>(KINDS.revision, configuration.metadata.namespace);
  const before = configuration.status?.latestReadyRevisionName;
  const known = items.find(({ metadata }) => metadata.name === before);
  const oldest = known === undefined ? 0 : generationOf(known);
  const ready = items.filter(
    (revision) => isOwnedBy(revision, configuration) && isReady(revision) && generationOf(revision) >= oldest,
  );
  const newest = ready.toSorted((a, b) => generationOf(b) - generationOf(a))[0];
  return newest?.metadata.name ?? before;
}

export function generationOf({ metadata }: Revision): number {
  return Number(metadata.labels?.[LABELS.configurationGeneration] ?? 0);
}
