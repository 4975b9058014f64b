import { renderLabels, type Family, type Labels } from './exposition.ts';
import { onSignal } from './signals.ts';

/** Series of one name; more different ones than this are counted together, as `other` (S20: senders choose the values). */
const SERIES_MAX = 1000;

type Series = Map<string, { readonly labels: Labels; value: number }>;

/** Counters and sums made from signals. */
export class Metrics {
  readonly #counters = new Map<string, Series>();
  readonly #stops: (() => void)[];

  constructor() {
    this.#stops = [
      onSignal('channel.accepted', ({ channel, bytes }) => {
        this.#add('millrace_channel_accepted_total', { channel }, 1);
        this.#add('millrace_channel_accepted_bytes_total', { channel }, bytes);
      }),
      onSignal('channel.refused', ({ channel, code }) =>
        this.#add('millrace_channel_refused_total', { channel, code: String(code) }, 1),
      ),
      onSignal('dispatcher.attempted', ({ channel, stage, outcome, tookMs }) => {
        this.#add('millrace_dispatcher_attempts_total', { channel, stage, outcome }, 1);
        this.#add('millrace_dispatcher_attempt_seconds_sum', { channel }, tookMs / 1000);
        this.#add('millrace_dispatcher_attempt_seconds_count', { channel }, 1);
      }),
      onSignal('dispatcher.dead', ({ channel }) =>
        this.#add('millrace_dispatcher_dead_total', { channel }, 1),
      ),
      onSignal('reply.sent', ({ channel, dropped }) =>
        this.#add(
          'millrace_replies_total',
          { channel, outcome: dropped === undefined ? 'sent' : 'dropped' },
          1,
        ),
      ),
      onSignal('serving.answered', ({ revision, code, tookMs, wake }) => {
        this.#add('millrace_serving_answered_total', { revision, code: String(code) }, 1);
        this.#add('millrace_serving_seconds_sum', { revision }, tookMs / 1000);
        this.#add('millrace_serving_seconds_count', { revision }, 1);
        if (wake !== undefined) this.#add('millrace_serving_wakes_total', { revision }, 1);
      }),
      onSignal('source.sent', ({ origin }) => this.#add('millrace_source_sent_total', { origin }, 1)),
      onSignal('source.refused', ({ origin, code }) =>
        this.#add('millrace_source_refused_total', { origin, code: String(code) }, 1),
      ),
    ];
  }

  /** By name. */
  families(): readonly Family[] {
    return [...this.#counters]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, series]) => ({ name, type: 'counter', samples: [...series.values()] }));
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #add(name: string, labels: Labels, value: number): void {
    const series: Series = this.#counters.get(name) ?? new Map();
    this.#counters.set(name, series);
    const isKnown = series.size < SERIES_MAX || series.has(renderLabels(labels));
    const counted = isKnown ? labels : othersOf(labels);
    const key = renderLabels(counted);
    const sample = series.get(key);
    if (sample === undefined) series.set(key, { labels: counted, value });
    else sample.value += value;
  }
}

function othersOf(labels: Labels): Labels {
  return Object.fromEntries(Object.keys(labels).map((label) => [label, 'other']));
}
