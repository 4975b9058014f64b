import { conditionOf, isFalse, isReady, isUnknown, type Mark } from '../../../apis/conditions.ts';
import { LABELS } from '../../../apis/serving/shared.ts';
import {
  KINDS,
  type Configuration,
  type Revision,
  type Route,
  type TrafficTarget,
} from '../../../apis/serving/types.ts';
import type { ResourceReader } from '../../../control/resource-client.ts';
import { inOrder, type Rollout } from './rollout.ts';

/** A share of the traffic, down to a revision (serving pkg/reconciler/route/traffic/traffic.go). */
export type Target = {
  readonly tag: string; // empty: none
  readonly revisionName: string;
  readonly configurationName: string | undefined;
  readonly latestRevision: boolean;
  readonly percent: number;
  readonly protocol: 'http1' | 'h2c';
};

export type Traffic = {
  /** As the spec lists them: what the status shows. */
  readonly listed: readonly Target[];
  /** What each host leads to: the route's own has no tag. Shares of one revision are one. */
  readonly byTag: ReadonlyMap<string, readonly Target[]>;
};

export type Found =
  | { readonly kind: 'found'; readonly traffic: Traffic }
  | { readonly kind: 'missing'; readonly mark: Mark };

type Assigned =
  | { readonly kind: 'assigned'; readonly target: Target }
  | { readonly kind: 'missing'; readonly mark: Mark };

/** Down to revisions; of what is missing the last that will not come by itself counts, else the first. */
export async function findTraffic(cluster: ResourceReader, route: Route): Promise<Found> {
  const assigned = await Promise.all(
    (route.spec.traffic ?? []).map((target) => assign(cluster, route, target)),
  );
  const missing = assigned.flatMap((each) => (each.kind === 'missing' ? [each.mark] : []));
  const mark = missing.findLast(({ status }) => status === 'False') ?? missing[0];
  if (mark !== undefined) return { kind: 'missing', mark };
  return {
    kind: 'found',
    traffic: trafficOf(assigned.flatMap((each) => (each.kind === 'assigned' ? [each.target] : []))),
  };
}

export function trafficOf(targets: readonly Target[]): Traffic {
  const byTag = new Map<string, readonly Target[]>([['', consolidated(targets)]]);
  for (const target of targets)
    if (target.tag !== '') byTag.set(target.tag, consolidated([...(byTag.get(target.tag) ?? []), target]));
  const listed = joined(targets, (a, b) => a.tag === b.tag && a.latestRevision === b.latestRevision);
  return { listed, byTag };
}

/** The roll-out as it will have ended: one revision for each configuration whose latest is asked for. */
export function goalOf({ byTag }: Traffic): Rollout {
  const all = [...byTag].flatMap(([tag, targets]) =>
    targets
      .filter(({ latestRevision, percent }) => latestRevision && percent > 0)
      .map(({ configurationName = '', revisionName, percent }) => ({
        configurationName,
        tag,
        percent,
        revisions: [{ revisionName, percent }],
        steps: {},
      })),
  );
  return inOrder(all);
}

/** A host with one revision gives it everything, whatever its share of another host is. */
function consolidated(targets: readonly Target[]): readonly Target[] {
  const all = joined(targets, () => true);
  const [only] = all;
  return all.length === 1 && only !== undefined ? [{ ...only, percent: 100 }] : all;
}

function joined(targets: readonly Target[], isAlike: (a: Target, b: Target) => boolean): readonly Target[] {
  const out: Target[] = [];
  for (const target of targets) {
    const at = out.findIndex((known) => known.revisionName === target.revisionName && isAlike(known, target));
    const known = out[at];
    if (known === undefined) out.push(target);
    else out[at] = { ...known, percent: known.percent + target.percent };
  }
  return out;
}

async function assign(cluster: ResourceReader, route: Route, target: TrafficTarget): Promise<Assigned> {
  if (target.revisionName) return assignRevision(cluster, route, target, target.revisionName);
  const { namespace = '' } = route.metadata;
  const { configurationName: name = '' } = target;
  const configuration = await cluster.find<Configuration>(KINDS.configuration, namespace, name);
  if (configuration === undefined) return notThere('Configuration', name);
  const latest = configuration.status?.latestReadyRevisionName;
  if (latest === undefined) return notReadyYet(configuration);
  const revision = await cluster.find<Revision>(KINDS.revision, namespace, latest);
  if (revision === undefined) return notThere('Revision', latest);
  return (
    unready(revision) ?? {
      kind: 'assigned',
      target: { ...shareOf(target, revision), configurationName: name },
    }
  );
}

async function assignRevision(
  cluster: ResourceReader,
  { metadata: { namespace = '', labels = {} } }: Route,
  target: TrafficTarget,
  name: string,
): Promise<Assigned> {
  const revision = await cluster.find<Revision>(KINDS.revision, namespace, name);
  if (revision === undefined) return notThere('Revision', name);
  const service = labels[LABELS.service];
  const owner = revision.metadata.labels?.[LABELS.service];
  if (service && service !== owner) return notOwned(name, service, owner);
  const notReady = unready(revision);
  if (notReady !== undefined) return notReady;
  const configurationName = revision.metadata.labels?.[LABELS.configuration];
  if (
    configurationName &&
    (await cluster.find(KINDS.configuration, namespace, configurationName)) === undefined
  )
    return notThere('Configuration', configurationName);
  return { kind: 'assigned', target: { ...shareOf(target, revision), configurationName } };
}

/** A Service leads to revisions of its own alone. */
function notOwned(name: string, service: string, owner: string | undefined): Assigned {
  const message = owner
    ? `Revision "${name}" belongs to Service "${owner}", not Service "${service}".`
    : `Revision "${name}" does not belong to Service "${service}".`;
  return missing(isFalse('AllTrafficAssigned', 'RevisionNotOwned', message));
}

/** One that is not ready any more takes nothing new; what leads to it stays. */
function unready(revision: Revision): Assigned | undefined {
  if (isReady(revision)) return undefined;
  const { name, namespace = '' } = revision.metadata;
  const hasFailed = conditionOf(revision.status, 'Ready')?.status === 'False';
  const why = `failed to become ready. Its conditions say why: kubectl describe revision ${name} -n ${namespace}`;
  const message = `Revision "${name}" ${hasFailed ? why : 'is not yet ready.'}`;
  return missing((hasFailed ? isFalse : isUnknown)('AllTrafficAssigned', 'RevisionMissing', message));
}

function shareOf(
  { tag = '', percent = 0, latestRevision = false }: TrafficTarget,
  revision: Revision,
): Target {
  const ports = (revision.spec.containers ?? []).flatMap((container) => container.ports ?? []);
  return {
    tag,
    revisionName: revision.metadata.name,
    configurationName: undefined,
    latestRevision,
    percent,
    protocol: ports[0]?.name === 'h2c' ? 'h2c' : 'http1',
  };
}

function notReadyYet({ metadata: { name, namespace }, status }: Configuration): Assigned {
  const hasFailed = conditionOf(status, 'Ready')?.status === 'False';
  return missing(
    hasFailed
      ? isFalse(
          'AllTrafficAssigned',
          'RevisionMissing',
          `Configuration "${name}" does not have any ready Revision. Its condition Ready says why: kubectl describe configuration ${name} -n ${namespace}`,
        )
      : isUnknown(
          'AllTrafficAssigned',
          'RevisionMissing',
          `Configuration "${name}" is waiting for a Revision to become ready.`,
        ),
  );
}

function notThere(kind: string, name: string): Assigned {
  return missing(
    isFalse('AllTrafficAssigned', `${kind}Missing`, `${kind} "${name}" referenced in traffic not found.`),
  );
}

const missing = (mark: Mark): Assigned => ({ kind: 'missing', mark });
