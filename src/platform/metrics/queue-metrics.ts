import type { QueueMeter } from '../../control/queue-meter.ts';
import { Histogram, type Family, type Labels } from '../../telemetry/exposition.ts';

/** Milliseconds; knative pkg/observability/metrics/k8s/workqueue.go, and before v1.19 pkg/controller/stats_reporter.go. */
const DURATIONS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const FORMER_MS = [10, 100, 1000, 10_000, 30_000, 60_000];

type Queue = {
  adds: number;
  retries: number;
  depth: number;
  readonly begun: Set<number>; // when each of the turns under way began
  readonly waits: Histogram;
  readonly turns: Histogram;
  readonly passes: Readonly<Record<'true' | 'false', Histogram>>; // by whether they succeeded
};

/** The queues of the controllers, under Knative's names of today and of before. */
export class QueueMetrics {
  readonly #queues = new Map<string, Queue>();
  readonly #nowMs: () => number;

  /** `nowMs`: monotonic. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  meterOf(name: string): QueueMeter {
    const queue = this.#queues.get(name) ?? emptyQueue();
    this.#queues.set(name, queue);
    return {
      added() {
        queue.adds += 1;
        queue.depth += 1;
      },
      began: (waitedMs) => this.#begin(queue, waitedMs),
      retried() {
        queue.retries += 1;
      },
    };
  }

  families(): readonly Family[] {
    const all = [...this.#queues];
    const nowMs = this.#nowMs();
    const series = (of: (queue: Queue) => number): Family['samples'] =>
      all.map(([name, queue]) => ({ labels: { name }, value: of(queue) }));
    const seconds = (of: (queue: Queue) => Histogram): Family['samples'] =>
      all.flatMap(([name, queue]) => of(queue).samples({ name }, 0.001));
    const ages = ({ begun }: Queue): readonly number[] => [...begun].map((ms) => (nowMs - ms) / 1000);
    const sum = (values: readonly number[]): number => values.reduce((total, each) => total + each, 0);
    return [
      ...twice(
        'depth',
        'depth',
        'gauge',
        'Objects that wait for a controller.',
        series(({ depth }) => depth),
      ),
      ...twice(
        'adds_total',
        'adds_total',
        'counter',
        'Objects that came to wait.',
        series(({ adds }) => adds),
      ),
      ...twice(
        'retries_total',
        'retries_total',
        'counter',
        'Those that came back after a failure.',
        series(({ retries }) => retries),
      ),
      ...twice(
        'queue_duration_seconds',
        'queue_latency_seconds',
        'histogram',
        'How long they waited.',
        seconds(({ waits }) => waits),
      ),
      ...twice(
        'process_duration_seconds',
        'work_duration_seconds',
        'histogram',
        'How long a pass took.',
        seconds(({ turns }) => turns),
      ),
      ...twice(
        'unfinished_work_seconds',
        'unfinished_work_seconds',
        'gauge',
        'How long the passes under way have taken.',
        series((queue) => sum(ages(queue))),
      ),
      ...twice(
        'longest_running_processor_seconds',
        'longest_running_processor_seconds',
        'gauge',
        'How long the longest of them has.',
        series((queue) => Math.max(0, ...ages(queue))),
      ),
      ...reconcileFamilies(all),
    ];
  }

  #begin(queue: Queue, waitedMs: number): (hasFailed: boolean) => void {
    let beganMs = this.#nowMs();
    while (queue.begun.has(beganMs)) beganMs += 1e-6; // two may begin at once
    queue.depth -= 1;
    queue.begun.add(beganMs);
    queue.waits.observe(waitedMs);
    return (hasFailed) => {
      queue.begun.delete(beganMs);
      const tookMs = this.#nowMs() - beganMs;
      queue.turns.observe(tookMs);
      queue.passes[hasFailed ? 'false' : 'true'].observe(tookMs);
    };
  }
}

function emptyQueue(): Queue {
  return {
    adds: 0,
    retries: 0,
    depth: 0,
    begun: new Set(),
    waits: new Histogram(DURATIONS_MS),
    turns: new Histogram(DURATIONS_MS),
    passes: { true: new Histogram(FORMER_MS), false: new Histogram(FORMER_MS) },
  };
}

function twice(
  now: string,
  former: string,
  type: Family['type'],
  help: string,
  samples: Family['samples'],
): readonly Family[] {
  return [
    { name: `kn_workqueue_${now}`, type, help, samples },
    { name: `controller_workqueue_${former}`, type, help: `${help} Its name before v1.19.`, samples },
  ];
}

/** What only the names of before have, by reconciler. */
function reconcileFamilies(all: readonly (readonly [string, Queue])[]): readonly Family[] {
  const passes = all.flatMap(([reconciler, { passes: byEnd }]) =>
    (['true', 'false'] as const).map((success) => ({
      labels: { reconciler, success } satisfies Labels,
      histogram: byEnd[success],
    })),
  );
  const ended = passes.filter(({ histogram }) => histogram.count > 0);
  return [
    {
      name: 'controller_work_queue_depth',
      type: 'gauge',
      samples: all.map(([reconciler, { depth }]) => ({ labels: { reconciler }, value: depth })),
    },
    {
      name: 'controller_reconcile_count',
      type: 'counter',
      samples: ended.map(({ labels, histogram }) => ({ labels, value: histogram.count })),
    },
    {
      name: 'controller_reconcile_latency',
      type: 'histogram',
      help: 'In milliseconds.',
      samples: ended.flatMap(({ labels, histogram }) => histogram.samples(labels)),
    },
  ];
}
