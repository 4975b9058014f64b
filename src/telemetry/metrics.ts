import { onSignal } from './signals.ts';

type Labels = Readonly<Record<string, string>>;

/** Series of one name; more different ones than this are counted together, as `other` (S20: senders choose the values). */
const SERIES_MAX = 1000;

/** Counters and sums made from signals, written in the Prometheus text format. */
export class Metrics {
  readonly #counters = new Map<string, Map<string, number>>();
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

  /** The page; `gauges` are figures of this moment that no signal tells. */
  render(
    gauges: readonly { readonly name: string; readonly labels: Labels; readonly value: number }[],
  ): string {
    const lines: string[] = [];
    for (const [name, series] of [...this.#counters].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      lines.push(`# TYPE ${name} counter`);
      for (const [labels, value] of series) lines.push(`${name}${labels} ${value}`);
    }
    for (const { name, labels, value } of gauges) lines.push(`${name}${renderLabels(labels)} ${value}`);
    return `${lines.join('\n')}\n`;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #add(name: string, labels: Labels, value: number): void {
    const series = this.#counters.get(name) ?? new Map<string, number>();
    this.#counters.set(name, series);
    const wanted = renderLabels(labels);
    const key =
      series.has(wanted) || series.size < SERIES_MAX
        ? wanted
        : renderLabels({
            ...labels,
            ...Object.fromEntries(Object.keys(labels).map((label) => [label, 'other'])),
          });
    series.set(key, (series.get(key) ?? 0) + value);
  }
}

function renderLabels(labels: Labels): string {
  const escaped = (value: string): string =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
