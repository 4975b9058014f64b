import type { Clock } from '../../base/clock.ts';
import {
  conditionOf,
  isFalse,
  isReady,
  isTrue,
  isUnknown,
  rfc3339,
  type Mark,
} from '../../apis/conditions.ts';
import { childName } from '../../apis/names.ts';
import { CONFIGURATION_CONDITIONS } from '../../apis/serving/configuration/status.ts';
import { parseGcConfig } from '../../apis/serving/gc-config.ts';
import { ANNOTATIONS, LABELS } from '../../apis/serving/shared.ts';
import { KINDS, type Configuration, type Revision } from '../../apis/serving/types.ts';
import { settled, type Outcome, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { isOwnedBy, ownerOf } from '../../control/owned.ts';
import { namedRevision } from './named-revision.ts';
import { collectRevisions } from './revision-gc.ts';
import { servingConfig } from './serving-config.ts';
import { WHILE_BLOCKED } from './while-blocked.ts';

/** A Revision for each generation of the template (serving pkg/reconciler/configuration), and an end to old ones. */
export function configurationReconciler(cluster: ResourceClient, clock: Clock): Reconciler<Configuration> {
  return {
    kind: KINDS.configuration,
    conditions: CONFIGURATION_CONDITIONS,
    async reconcile(configuration) {
      const latest = await latestCreated(cluster, configuration, clock.nowMs());
      if (typeof latest === 'string') return { ...settled({}, creationFailed(latest)), next: WHILE_BLOCKED };
      const outcome = await follow(cluster, configuration, latest.revision);
      const next = await collect(cluster, configuration, outcome, clock);
      return { ...outcome, next, events: [...latest.events, ...(outcome.events ?? [])] };
    },
  };
}

type Latest = { readonly revision: Revision; readonly events: readonly Told[] };

/** The revision of this generation, made when it is not there; the name that is taken, when it is. */
async function latestCreated(
  cluster: ResourceClient,
  configuration: Configuration,
  nowMs: number,
): Promise<Latest | string> {
  const { name, generation = 1 } = configuration.metadata;
  const given = configuration.spec.template?.metadata?.name;
  const revisionName = given ?? childName(name, `-${String(generation).padStart(5, '0')}`);
  const named = await namedRevision(cluster, configuration, revisionName);
  if (named.kind === 'taken') return revisionName;
  if (named.kind === 'own') return { revision: named.revision, events: [] };
  const revision = await cluster.apply<Revision>(revisionOf(configuration, revisionName, nowMs));
  const message = `Created Revision "${revision.metadata.name}"`;
  const told: Told = { type: 'Normal', reason: 'Created', message };
  return { revision, events: [told] };
}

/** How the latest revision stands, and which is the newest that is ready. */
async function follow(
  cluster: ResourceClient,
  configuration: Configuration,
  latest: Revision,
): Promise<Outcome> {
  const { name } = latest.metadata;
  const before = configuration.status?.latestReadyRevisionName;
  const latestReady = await latestReadyOf(cluster, configuration, latest);
  const events = readyEvents(before, latestReady);
  const status = { latestCreatedRevisionName: name, latestReadyRevisionName: latestReady };
  const ready = conditionOf(latest.status, 'Ready');
  if (ready?.status === 'True') return { ...settled(status, isTrue('Ready')), events };
  if (ready?.status !== 'False')
    return { ...settled(status, isUnknown('Ready', ready?.reason, ready?.message)), events };
  const message = `Revision "${name}" failed with message: ${ready.message ?? ''}.`;
  const isNew = conditionOf(configuration.status, 'Ready')?.message !== message;
  const what =
    name === before
      ? { reason: 'LatestReadyFailed', message: `Latest ready revision "${name}" has failed` }
      : { reason: 'LatestCreatedFailed', message: `Latest created revision "${name}" has failed` };
  return {
    ...settled(status, isFalse('Ready', 'RevisionFailed', message)),
    events: [...(isNew ? [{ type: 'Warning' as const, ...what }] : []), ...events],
  };
}

function readyEvents(before: string | undefined, now: string | undefined): readonly Told[] {
  if (now === undefined || now === before) return [];
  const first: Told = {
    type: 'Normal',
    reason: 'ConfigurationReady',
    message: 'Configuration becomes ready',
  };
  const message = `LatestReadyRevisionName updated to "${now}"`;
  return [...(before === undefined ? [first] : []), { type: 'Normal', reason: 'LatestReadyUpdate', message }];
}

function creationFailed(name: string): Mark {
  const message = `revisions.serving.knative.dev "${name}" already exists`;
  return isFalse('Ready', 'RevisionFailed', `Revision creation failed with message: ${message}.`);
}

/** Old revisions go; a configuration that has not had that many generations has none. */
async function collect(
  cluster: ResourceClient,
  configuration: Configuration,
  { status }: Outcome,
  clock: Clock,
): Promise<Outcome['next']> {
  const parsed = parseGcConfig(await servingConfig(cluster, 'config-gc'));
  if ('fault' in parsed) return 'settled'; // refused at admission; what was stored before stays as it is
  const { namespace, generation = 1 } = configuration.metadata;
  if (generation <= parsed.config.minNonActive) return 'settled';
  const { items } = await cluster.list<Revision>(KINDS.revision, namespace);
  const own = items.filter((revision) => isOwnedBy(revision, configuration));
  const latestReady = status['latestReadyRevisionName'] as string | undefined; // as follow() has written it
  const { remove, nextMs } = collectRevisions(own, latestReady, parsed.config, clock.nowMs());
  for (const name of remove) await cluster.remove(KINDS.revision, namespace, name);
  return nextMs === undefined ? 'settled' : { afterMs: Math.max(0, nextMs - clock.nowMs()) };
}

function revisionOf(configuration: Configuration, name: string, nowMs: number): Revision {
  const { metadata, spec } = configuration;
  const { labels = {}, annotations = {} } = spec.template?.metadata ?? {};
  const creator = metadata.annotations?.[ANNOTATIONS.lastModifier];
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
        [LABELS.service]: metadata.labels?.[LABELS.service] ?? '',
        [LABELS.serviceUid]: metadata.labels?.[LABELS.serviceUid] ?? '',
        [LABELS.routingState]: 'pending',
      },
      annotations: {
        ...annotations,
        ...(creator !== undefined && { [ANNOTATIONS.creator]: creator }),
        [ANNOTATIONS.routingStateModified]: rfc3339(nowMs),
      },
      ownerReferences: [ownerOf(configuration)],
    },
    spec: spec.template?.spec ?? {},
  };
}

/**
 * The newest ready revision; it moves forward only, and passes over failed ones. A revision that is asked for by its name
 * is the newest, whichever generation has made it.
 */
async function latestReadyOf(
  cluster: ResourceClient,
  configuration: Configuration,
  latest: Revision,
): Promise<string | undefined> {
  if (isReady(latest)) return latest.metadata.name;
  const { namespace, generation = 1 } = configuration.metadata;
  const before = configuration.status?.latestReadyRevisionName;
  if (generation === 1) return before; // there is no other
  const known = before && (await cluster.find<Revision>(KINDS.revision, namespace, before));
  if (known && generationOf(known) >= generation - 1) return before;
  const { items } = await cluster.list<Revision>(KINDS.revision, namespace);
  const oldest = known ? generationOf(known) : 0;
  const ready = items.filter(
    (revision) => isOwnedBy(revision, configuration) && isReady(revision) && generationOf(revision) >= oldest,
  );
  const newest = ready.toSorted((a, b) => generationOf(b) - generationOf(a))[0];
  return newest?.metadata.name ?? before;
}

export function generationOf({ metadata }: Revision): number {
  return Number(metadata.labels?.[LABELS.configurationGeneration] ?? 0);
}
