import { isOfScaling } from '../../apis/core/scaling-events.ts';
import { API_SERVER_EVENT_TYPES } from '../../apis/sources/api-server-source/status.ts';
import { PlatformError } from '../../base/errors.ts';
import type { KindName } from '../../control/resource-client.ts';
import type { WatchedCluster } from '../../control/watched-cluster.ts';
import type { SourceState, SourceTools } from '../source.ts';
import { accessQuestions, refusalText } from './access.ts';
import type { Seen } from './cluster-event.ts';
import type { Watched } from './lane.ts';
import { KNOWN_CHARS_MAX, laneName, Lanes, LANES_MAX, type Positions } from './lanes.ts';
import { Namespaces } from './namespaces.ts';
import type { KubernetesPlan } from './plan.ts';
import { eventOf, isConcerned } from './telling.ts';

export type ClusterWatchOptions = {
  readonly plan: KubernetesPlan;
  readonly tools: SourceTools;
  readonly cluster: WatchedCluster;
  /** How far the last life has come. */
  readonly positions: Positions;
  /** What is older than this in the cluster is no news. */
  readonly sinceMs: number;
  readonly onMoved: () => void;
  readonly onRunning: () => void;
};

/** How often a kind is looked for that is not served, and how long a namespace that is gone is watched to its end. */
const ARRANGE_EVERY_MS = 30_000;

/**
 * Watches a plan's objects in an open cluster: a lane for each kind and namespace.
 *   K1  nothing is watched before it was asked whether it may be.
 *   K2  a refusal while it watches ends it, so that it is asked again and told in full.
 *   K3  a namespace that is new is told from its first object on; one that is only newly selected from now on.
 */
export class ClusterWatch {
  readonly #options: ClusterWatchOptions;
  readonly #lanes: Lanes;
  readonly #namespaces: Namespaces;
  readonly #ended = new AbortController();
  readonly #kept: Map<string, Positions[string]>; // of lanes that are not open yet
  #notServed: readonly KindName[] = [];
  #arranging: Promise<void> = Promise.resolve();
  #look = new AbortController();
  #isOpen = false;
  #hasRun = false;

  constructor(options: ClusterWatchOptions) {
    const { plan, tools, cluster, positions, onMoved } = options;
    const { clock, random } = tools;
    this.#options = options;
    this.#kept = new Map(Object.entries(positions));
    const { reader } = cluster;
    this.#lanes = new Lanes(
      {
        reader,
        clock,
        random,
        concerns: (object) => isConcerned(plan.tells, object) && (plan.tellsScaling || !isOfScaling(object)),
        take: (seen, signal) => this.#take(seen, signal),
        onMoved,
        onLost: (message) => tools.warn('DeletionsNotTold', message),
      },
      () => this.#tell(),
    );
    this.#namespaces = new Namespaces(plan.namespaces, { reader, clock, random }, () => this.#onNamespaces());
  }

  /** Resolves once `signal` aborts; rejects when it may not watch, or cannot begin to. */
  async run(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#ended.signal]);
    try {
      await this.#namespaces.open();
      await this.#askForAccess();
      this.#isOpen = true;
      while (!over.aborted) {
        await this.#arrange();
        await this.#untilNextLook(over);
      }
      this.#ended.signal.throwIfAborted(); // K2
    } finally {
      await this.#namespaces.close();
      await this.#arranging.catch(() => undefined);
      await this.#lanes.close();
    }
  }

  /** How far it has come, bounded. */
  positions(): Positions {
    const kept = Object.fromEntries(this.#kept);
    const chars = [...this.#kept.values()].reduce((sum, { known }) => sum + known.length, 0);
    return { ...kept, ...this.#lanes.positions(Math.max(0, KNOWN_CHARS_MAX - chars)) };
  }

  async #askForAccess(): Promise<void> {
    const { plan, cluster } = this.#options;
    if (!plan.checksAccess || plan.access.kind === 'embedded') return;
    const { watched } = await this.#wanted();
    const { user, refused } = await cluster.refused(accessQuestions(watched)); // K1
    if (refused.length === 0) return;
    throw new PlatformError('FORBIDDEN', refusalText(user, refused), { retryable: true });
  }

  #onNamespaces(): void {
    if (!this.#isOpen) return;
    this.#look.abort();
    this.#arrange().catch((error: unknown) => this.#ended.abort(error));
  }

  /** Nothing is looked at while there is nothing that could have changed unseen. */
  async #untilNextLook(over: AbortSignal): Promise<void> {
    const { clock } = this.#options.tools;
    this.#look = new AbortController();
    const isDue = this.#notServed.length > 0 || this.#namespaces.hasGone;
    const dueMs = isDue ? clock.nowMs() + ARRANGE_EVERY_MS : Number.MAX_SAFE_INTEGER;
    await clock.until(dueMs, AbortSignal.any([over, this.#look.signal]));
    if (!this.#look.signal.aborted) this.#namespaces.dropGone(); // they had their time
  }

  /** One after the other, as each ends what the one before began. */
  #arrange(): Promise<void> {
    const arranged = this.#arranging.catch(() => undefined).then(() => this.#arrangeNow());
    this.#arranging = arranged;
    return arranged;
  }

  async #arrangeNow(): Promise<void> {
    const { sinceMs, plan } = this.#options;
    if (this.#ended.signal.aborted) return;
    const { watched, notServed } = await this.#wanted();
    this.#notServed = notServed;
    for (const each of watched) {
      const name = laneName(each);
      const isNew = this.#namespaces.createdMs(each.namespace) >= sinceMs; // K3
      this.#lanes.open(each, this.#kept.get(name), isNew || plan.tells.kind === 'core-events');
      this.#kept.delete(name);
    }
    if (notServed.length === 0) this.#kept.clear();
    const names = new Set(watched.map(laneName));
    for (const name of this.#lanes.names) if (!names.has(name)) await this.#lanes.end(name);
    this.#tell();
  }

  async #wanted(): Promise<{ watched: Watched[]; notServed: KindName[] }> {
    const { plan, cluster } = this.#options;
    const watched: Watched[] = [];
    const notServed: KindName[] = [];
    for (const { apiVersion, kind, selector } of plan.resources) {
      const isNamespaced = await cluster.isNamespaced({ apiVersion, kind });
      if (isNamespaced === undefined) notServed.push({ apiVersion, kind });
      const namespaces = isNamespaced === false ? [undefined] : this.#namespaces.watched;
      if (isNamespaced !== undefined)
        watched.push(...namespaces.map((namespace) => ({ apiVersion, kind, namespace, selector })));
    }
    if (watched.length <= LANES_MAX) return { watched, notServed };
    const message = `${plan.resources.length} kinds in ${this.#namespaces.watched.length} namespaces are ${watched.length} watches, at most ${LANES_MAX} are made; an empty namespaceSelector watches all namespaces by one`;
    throw new PlatformError('TOO_MANY_WATCHES', message, { retryable: true });
  }

  async #take(seen: Seen, signal: AbortSignal): Promise<void> {
    const { plan, tools, cluster } = this.#options;
    const event = eventOf(plan.tells, seen, cluster.url, tools.clock.nowMs());
    if (event !== undefined) await tools.deliver(event, signal);
  }

  #tell(): void {
    const { plan, tools, onRunning } = this.#options;
    const states = [...this.#namespaces.states, ...this.#lanes.states];
    const failed = states.find((state) => state.kind === 'failing');
    const isStarting = !this.#hasRun && states.some(({ kind }) => kind === 'starting');
    if (failed?.code === 'FORBIDDEN')
      this.#ended.abort(new PlatformError('FORBIDDEN', failed.message, { retryable: true }));
    else if (failed !== undefined) tools.tell(failingState(plan, failed.code, failed.message));
    else if (this.#notServed.length > 0)
      tools.tell(failingState(plan, 'NOTFOUND', notServedText(this.#notServed)));
    else if (!isStarting) {
      this.#hasRun = true;
      onRunning();
      tools.tell({ kind: 'running', fields: this.#fields() });
    }
  }

  #fields(): Readonly<Record<string, unknown>> {
    const { plan, cluster } = this.#options;
    if (plan.tells.kind === 'core-events') return {};
    const source = cluster.url;
    return {
      namespaces: this.#namespaces.watched.map((namespace = '') => namespace),
      ceAttributes: API_SERVER_EVENT_TYPES[plan.tells.mode].map((type) => ({ type, source })),
    };
  }
}

const REASONS: Readonly<Record<string, string>> = {
  FORBIDDEN: 'InsufficientPermissions',
  NOTFOUND: 'ResourceNotServed',
  UNAUTHORIZED: 'Unauthorized',
  TOO_MANY_WATCHES: 'TooManyWatches',
  KUBECONFIG_INVALID: 'KubeconfigInvalid',
};

/** Upstream gives no reason of a refusal; the legacy source has no condition for it. */
export function failingState({ tells }: KubernetesPlan, code: string, message: string): SourceState {
  if (code === 'FORBIDDEN' && tells.kind === 'changes')
    return { kind: 'failing', condition: 'SufficientPermissions', reason: '', message };
  const reason = REASONS[code] ?? 'ClusterUnreachable';
  return { kind: 'failing', condition: 'Deployed', reason, message };
}

function notServedText(kinds: readonly KindName[]): string {
  const named = kinds.map(({ apiVersion, kind }) => `${kind} in ${apiVersion}`).join(', ');
  return `the server could not find the requested resource (${named})`;
}
