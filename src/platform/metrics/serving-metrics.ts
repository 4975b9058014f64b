import { Histogram, type Family, type Labels } from '../../telemetry/exposition.ts';
import { onSignal, type Signals, type Wake } from '../../telemetry/signals.ts';
import { labelsFormer, labelsNow, type RevisionIdentity } from './identity.ts';
import { scaleFamilies, type Scaled } from './scale-metrics.ts';

/** Milliseconds; upstream's, of both times (OpenTelemetry's HTTP conventions; serving v1.18, pkg/queue/stats). */
const DURATIONS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const FORMER_MS = [
  5, 10, 20, 40, 60, 80, 100, 150, 200, 250, 300, 350, 400, 450, 500, 600, 700, 800, 900, 1000, 2000, 5000,
  10_000, 20_000, 50_000, 100_000,
];
const WAKES_MS = [1, 2, 5, 10, 15, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000];
/**
 * Revisions that are counted by themselves; one that was never asked has no series. Those beyond are `other`, unless some of
 * these are gone by then, which is looked for once a minute at most.
 */
const REVISIONS_MAX = 1000;
const LOOK_MS = 60_000;

type Counted = {
  readonly identity: RevisionIdentity;
  /** By status code. */
  readonly durations: Map<number, { readonly now: Histogram; readonly former: Histogram }>;
  /** By status code: how long requests took in all that waited in the activator. */
  readonly held: Map<number, Histogram>;
  readonly phases: ReadonlyMap<Phase, Histogram>;
};
type Phase = (typeof PHASES)[number];
/**
 * Of a wake, each from the end of the one before: until a process had the function, out of the pool or spawned; until that
 * had been imported; until it was ready; until its answer began; until that was there.
 */
const PHASES = ['queued', 'pooled', 'spawned', 'loaded', 'ready', 'first_byte', 'answered'] as const;

/**
 * What Knative's dashboards and alerts look at, under its names of today (OpenTelemetry's, as its Prometheus exporter writes
 * them) and its names before v1.19, and how long wakes from zero took, phase by phase.
 */
export class ServingMetrics {
  readonly #identityOf: (revision: string) => RevisionIdentity;
  readonly #isThere: (revision: string) => boolean;
  readonly #revisions = new Map<string, Counted>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  readonly #stop: () => void;

  constructor(
    identityOf: (revision: string) => RevisionIdentity,
    isThere: (revision: string) => boolean = () => true,
  ) {
    this.#identityOf = identityOf;
    this.#isThere = isThere;
    this.#stop = onSignal('serving.answered', (answered) => this.#count(answered));
  }

  close(): void {
    this.#stop();
  }

  families(up: readonly Scaled[]): readonly Family[] {
    const all = [...this.#revisions.values()];
    return [
      ...requestFamilies(all),
      ...wakeFamilies(all),
      ...scaleFamilies(up.slice(0, REVISIONS_MAX), this.#identityOf),
    ];
  }

  #count({ revision, code, tookMs, wake, atMs }: Signals['serving.answered']): void {
    const counted = this.#countedOf(revision, atMs);
    const known = counted.durations.get(code);
    const histograms = known ?? { now: new Histogram(DURATIONS_MS), former: new Histogram(FORMER_MS) };
    if (known === undefined) counted.durations.set(code, histograms);
    const waitedMs = wake?.readyMs ?? 0;
    histograms.now.observe(tookMs - waitedMs);
    histograms.former.observe(tookMs - waitedMs);
    if (wake === undefined) return;
    const held = counted.held.get(code) ?? new Histogram(FORMER_MS);
    counted.held.set(code, held);
    held.observe(tookMs);
    for (const [phase, ms] of phasesOf(wake, tookMs)) counted.phases.get(phase)?.observe(Math.max(0, ms));
  }

  #countedOf(revision: string, nowMs: number): Counted {
    const known = this.#revisions.get(revision);
    if (known !== undefined) return known;
    if (this.#revisions.size >= REVISIONS_MAX) this.#forgetGone(nowMs);
    const key = this.#revisions.size < REVISIONS_MAX ? revision : OTHER;
    const counted = this.#revisions.get(key) ?? {
      identity: key === OTHER ? OTHERS : this.#identityOf(revision),
      durations: new Map(),
      held: new Map(),
      phases: new Map(PHASES.map((phase) => [phase, new Histogram(WAKES_MS)])),
    };
    this.#revisions.set(key, counted);
    return counted;
  }

  #forgetGone(nowMs: number): void {
    if (Math.abs(nowMs - this.#lookedAtMs) < LOOK_MS) return;
    this.#lookedAtMs = nowMs;
    for (const revision of this.#revisions.keys())
      if (revision !== OTHER && !this.#isThere(revision)) this.#revisions.delete(revision);
  }
}

function phasesOf(wake: Wake, tookMs: number): readonly (readonly [Phase, number])[] {
  const { queuedMs, from, startedMs, loadedMs, readyMs, firstByteMs } = wake;
  const begunMs = firstByteMs || tookMs;
  return [
    ['queued', queuedMs],
    [from === 'pool' ? 'pooled' : 'spawned', startedMs - queuedMs],
    ['loaded', loadedMs - startedMs],
    ['ready', readyMs - loadedMs],
    ['first_byte', begunMs - readyMs],
    ['answered', tookMs - begunMs],
  ];
}

const OTHER = 'other';
const OTHERS: RevisionIdentity = { namespace: OTHER, service: OTHER, configuration: OTHER, revision: OTHER };

const codes = (code: number): Labels => ({
  response_code: String(code),
  response_code_class: `${Math.floor(code / 100)}xx`,
});

function requestFamilies(all: readonly Counted[]): readonly Family[] {
  const answers = all.flatMap(({ identity, durations }) =>
    [...durations].map(([code, histograms]) => ({ identity, code, ...histograms })),
  );
  const held = all.flatMap(({ identity, held: codesHeld }) =>
    [...codesHeld].map(([code, latencies]) => ({ identity, code, latencies })),
  );
  const formerCounts = answers.map(({ identity, code, former }) => ({
    labels: { ...labelsFormer(identity), ...codes(code) },
    value: former.count,
  }));
  const formerLatencies = answers.flatMap(({ identity, code, former }) =>
    former.samples({ ...labelsFormer(identity), ...codes(code) }),
  );
  return [
    {
      name: 'kn_serving_invocation_duration_seconds',
      type: 'histogram',
      help: 'How long an instance took for a request.',
      samples: answers.flatMap(({ identity, code, now }) =>
        now.samples({ ...labelsNow(identity), http_response_status_code: String(code) }, 0.001),
      ),
    },
    {
      name: 'revision_request_latencies',
      type: 'histogram',
      help: 'The same in milliseconds; its name before v1.19.',
      samples: formerLatencies,
    },
    {
      name: 'revision_app_request_latencies',
      type: 'histogram',
      help: 'The same: nothing stands between the gateway and the container.',
      samples: formerLatencies,
    },
    {
      name: 'revision_request_count',
      type: 'counter',
      help: 'Requests that were answered; its name before v1.19.',
      samples: formerCounts,
    },
    {
      name: 'revision_app_request_count',
      type: 'counter',
      help: 'The same.',
      samples: formerCounts,
    },
    {
      name: 'activator_request_count',
      type: 'counter',
      help: 'Requests that had to wait for an instance.',
      samples: held.map(({ identity, code, latencies }) => ({
        labels: { ...labelsFormer(identity), ...codes(code) },
        value: latencies.count,
      })),
    },
    {
      name: 'activator_request_latencies',
      type: 'histogram',
      help: 'How long they took in all, in milliseconds.',
      samples: held.flatMap(({ identity, code, latencies }) =>
        latencies.samples({ ...labelsFormer(identity), ...codes(code) }),
      ),
    },
  ];
}

function wakeFamilies(all: readonly Counted[]): readonly Family[] {
  return [
    {
      name: 'millrace_wake_seconds',
      type: 'histogram',
      help: 'Wakes from zero by phase: until a process had the function, until it was ready, until it had answered.',
      samples: all.flatMap(({ identity, phases }) =>
        [...phases].flatMap(([phase, histogram]) =>
          histogram.count === 0 ? [] : histogram.samples({ ...labelsNow(identity), phase }, 0.001),
        ),
      ),
    },
  ];
}
