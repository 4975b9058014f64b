import { cpus, freemem, totalmem } from 'node:os';
import { KINDS } from '../../apis/serving/types.ts';
import { rfc3339 } from '../../apis/conditions.ts';
import type { Resource } from '../../apis/resource.ts';
import type { Extension } from '../../apiserver/api-server.ts';
import type { ApiRequest } from '../../apiserver/request.ts';
import { ApiError } from '../../apiserver/storage/api-error.ts';
import type { SqliteStore } from '../../apiserver/storage/sqlite-store.ts';
import { selectorsOf } from '../../apiserver/verbs/selectors.ts';
import { answerJson } from '../../http/respond.ts';
import type { InstanceUsage } from '../../serving/usage/usage-meter.ts';
import { NODE } from '../self/self-objects.ts';

export type ResourceMetricsOptions = {
  readonly store: SqliteStore;
  readonly figures: () => Promise<readonly InstanceUsage[]>;
  readonly nowMs: () => number;
};

const GROUP = { group: 'metrics.k8s.io', version: 'v1beta1' };
const API_VERSION = `${GROUP.group}/${GROUP.version}`;
/** Between two readings of an instance, at most (usage.ts). */
const WINDOW = '10s';
const READ = ['get', 'list'];
const PATH = /^(?:namespaces\/([^/]+)\/)?(pods|nodes)(?:\/([^/]+))?$/;

type Metrics = { readonly metadata: Resource['metadata'] } & Readonly<Record<string, unknown>>;
type Asked = { readonly namespace: string | undefined; readonly name: string | undefined };

/** `metrics.k8s.io/v1beta1`: what `kubectl top` shows, of instances and of this machine. */
export function resourceMetrics(options: ResourceMetricsOptions): Extension {
  const machine = new Machine();
  return {
    ...GROUP,
    resources: [
      { plural: 'nodes', kind: 'NodeMetrics', isNamespaced: false, verbs: READ },
      { plural: 'pods', kind: 'PodMetrics', isNamespaced: true, verbs: READ },
    ],
    async answer(request, path) {
      const [, namespace, plural, name] = PATH.exec(path) ?? [];
      if (plural === undefined || (plural === 'nodes' && namespace !== undefined)) throw notFound(path);
      if (request.method !== 'GET')
        throw new ApiError(405, 'MethodNotAllowed', `${plural}.${GROUP.group} can be read only`);
      const asked = { namespace, name };
      const isPods = plural === 'pods';
      const items = isPods
        ? await podsOf(options, request, asked)
        : nodesOf(options, machine, request, asked);
      const kind = isPods ? 'PodMetrics' : 'NodeMetrics';
      if (name === undefined)
        return answerJson(request.response, 200, {
          kind: `${kind}List`,
          apiVersion: API_VERSION,
          metadata: {},
          items,
        });
      const [found] = items;
      if (found === undefined) throw notFound(`${namespace === undefined ? '' : `${namespace}/`}${name}`);
      answerJson(request.response, 200, { kind, apiVersion: API_VERSION, ...found });
    },
  };
}

async function podsOf(
  { store, figures, nowMs }: ResourceMetricsOptions,
  { query }: ApiRequest,
  { namespace, name }: Asked,
): Promise<readonly Metrics[]> {
  const matches = matcher(store, 'pods', query);
  const all = await figures();
  return all.flatMap((each) => {
    const [own = ''] = each.revision.split('/');
    if ((namespace !== undefined && own !== namespace) || (name !== undefined && each.id !== name)) return [];
    const pod = store.find({ group: '', kind: KINDS.pod.kind, namespace: own, name: each.id });
    return pod !== undefined && matches(pod) ? [podMetrics(pod, each, nowMs())] : [];
  });
}

/** An instance is metered as a whole, and that is told of its first container. */
function podMetrics(pod: Resource, { cores, memoryBytes, atMs }: InstanceUsage, nowMs: number): Metrics {
  const spec = Object(Reflect.get(pod, 'spec')) as { containers?: readonly { name?: string }[] };
  const name = spec.containers?.[0]?.name ?? 'user-container';
  return {
    metadata: shownMetadata(pod, nowMs),
    timestamp: rfc3339(atMs),
    window: WINDOW,
    containers: [{ name, usage: quantities(cores, memoryBytes) }],
  };
}

function nodesOf(
  { store, nowMs }: ResourceMetricsOptions,
  machine: Machine,
  { query }: ApiRequest,
  { name }: Asked,
): readonly Metrics[] {
  const matches = matcher(store, 'nodes', query);
  const { items } = store.list({ group: '', kind: NODE.kind });
  const usage = quantities(machine.cores(), totalmem() - freemem());
  return items
    .filter((node) => (name === undefined || node.metadata.name === name) && matches(node))
    .map((node) => ({
      metadata: shownMetadata(node, nowMs()),
      timestamp: rfc3339(nowMs()),
      window: WINDOW,
      usage,
    }));
}

function matcher(store: SqliteStore, plural: string, query: URLSearchParams): (object: Resource) => boolean {
  const kind = store.kinds.byResource('', 'v1', plural);
  if (kind === undefined) throw new Error(`${plural} are no kind`); // they are
  const selected = selectorsOf(
    kind,
    query.get('labelSelector') ?? undefined,
    query.get('fieldSelector') ?? undefined,
  );
  return selected ?? (() => true);
}

function shownMetadata({ metadata }: Resource, nowMs: number): Resource['metadata'] {
  const { name, namespace, labels } = metadata;
  return {
    name,
    ...(namespace !== undefined && { namespace }),
    ...(labels !== undefined && { labels }),
    creationTimestamp: rfc3339(nowMs),
  };
}

const quantities = (cores: number, bytes: number): Record<string, string> => ({
  cpu: `${Math.ceil(cores * 1e9)}n`,
  memory: `${Math.ceil(bytes / 1024)}Ki`,
});

const notFound = (what: string): ApiError =>
  new ApiError(404, 'NotFound', `there are no metrics of ${JSON.stringify(what)}`);

/** How busy the processors are, since it was asked the last time. */
class Machine {
  #last = readCpus();

  cores(): number {
    const [last, now] = [this.#last, readCpus()];
    if (now.all - last.all < 1000) return cpus().length * (last.all === 0 ? 0 : last.busy / last.all);
    this.#last = now;
    return (cpus().length * (now.busy - last.busy)) / (now.all - last.all);
  }
}

function readCpus(): { readonly busy: number; readonly all: number } {
  const times = cpus().flatMap(({ times: { user, nice, sys, idle, irq } }) => ({
    busy: user + nice + sys + irq,
    idle,
  }));
  const busy = times.reduce((sum, each) => sum + each.busy, 0);
  return { busy, all: busy + times.reduce((sum, each) => sum + each.idle, 0) };
}
