import { groupOf } from '../../apis/registry.ts';
import { Histogram, type Family, type Labels } from '../../telemetry/exposition.ts';
import { onSignal, type Signals } from '../../telemetry/signals.ts';

/** Milliseconds; knative pkg/webhook/metrics.go, and before v1.19 pkg/webhook/stats_reporter.go. */
const DURATIONS_MS = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
const FORMER_MS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];

type Counted = Pick<Signals['api.admitted'], 'operation' | 'apiVersion' | 'kind' | 'isAllowed'> & {
  readonly now: Histogram;
  readonly former: Histogram;
};

/**
 * What Knative's webhooks tell of themselves, of the admission that stands here for them: defaults and validation of an
 * object in one step, in this process. There are as many series as kinds, operations and verdicts.
 */
export class AdmissionMetrics {
  readonly #counted = new Map<string, Counted>();
  readonly #stop: () => void;

  constructor() {
    this.#stop = onSignal('api.admitted', (admitted) => this.#count(admitted));
  }

  close(): void {
    this.#stop();
  }

  families(): readonly Family[] {
    const all = [...this.#counted.values()];
    return [
      {
        name: 'kn_webhook_handler_duration_seconds',
        type: 'histogram',
        help: 'How long the admission of an object took.',
        samples: all.flatMap((each) => each.now.samples(labelsNow(each), 0.001)),
      },
      {
        name: 'webhook_request_latencies',
        type: 'histogram',
        help: 'The same in milliseconds; its name before v1.19.',
        samples: all.flatMap((each) => each.former.samples(labelsFormer(each))),
      },
      {
        name: 'webhook_request_count',
        type: 'counter',
        help: 'How many there were; its name before v1.19.',
        samples: all.map((each) => ({ labels: labelsFormer(each), value: each.former.count })),
      },
    ];
  }

  #count({ operation, apiVersion, kind, isAllowed, tookMs }: Signals['api.admitted']): void {
    const key = `${operation} ${apiVersion} ${kind} ${isAllowed}`;
    const known = this.#counted.get(key) ?? {
      operation,
      apiVersion,
      kind,
      isAllowed,
      now: new Histogram(DURATIONS_MS),
      former: new Histogram(FORMER_MS),
    };
    this.#counted.set(key, known);
    known.now.observe(tookMs);
    known.former.observe(tookMs);
  }
}

const versionOf = (apiVersion: string): string => apiVersion.slice(apiVersion.indexOf('/') + 1);

function labelsNow({ operation, apiVersion, kind, isAllowed }: Counted): Labels {
  return {
    kn_webhook_type: 'admission',
    kn_webhook_admission_operation: operation,
    kn_webhook_admission_group: groupOf(apiVersion),
    kn_webhook_admission_version: versionOf(apiVersion),
    kn_webhook_admission_kind: kind,
    kn_webhook_admission_result_allowed: String(isAllowed),
  };
}

function labelsFormer({ operation, apiVersion, kind, isAllowed }: Counted): Labels {
  return {
    request_operation: operation,
    kind_group: groupOf(apiVersion),
    kind_version: versionOf(apiVersion),
    kind_kind: kind,
    admission_allowed: String(isAllowed),
  };
}
