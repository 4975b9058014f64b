import type { ControlMetrics } from './control-metrics.ts';
import type { ServingMetrics } from './serving-metrics.ts';
import type { Serving } from '../../serving/serving.ts';
import { exposition, type Family, type Labels } from '../../telemetry/exposition.ts';
import type { Journal } from '../../telemetry/journal.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { askBacklogs } from '../channel-figures.ts';
import type { OpenChannel } from '../channel-host.ts';
import type { UsageRecords } from '../usage/usage.ts';

export type MetricsSources = {
  readonly journal: Journal;
  readonly metrics: Metrics;
  readonly servingMetrics: ServingMetrics;
  readonly controlMetrics: ControlMetrics;
  readonly channels: () => readonly OpenChannel[];
  readonly serving: Serving;
  readonly usage: UsageRecords;
};

/** Revisions whose usage is on the page; `millrace usage` has them all. */
const USAGE_SERIES_MAX = 1000;

/** Everything that Prometheus is told: what signals counted, and figures of this moment. */
export async function metricsPage(sources: MetricsSources): Promise<string> {
  const { journal, metrics, servingMetrics, controlMetrics, serving, usage } = sources;
  const up = serving.snapshot().flatMap((snapshot) => {
    const pool = serving.poolOf(snapshot.revision);
    const isUp = snapshot.instances.length > 0 || snapshot.waiting > 0;
    return pool === undefined || !isUp ? [] : [{ ...snapshot, plan: pool.plan }];
  });
  return exposition([
    ...metrics.families(),
    gauge('millrace_journal_dropped', [{ labels: {}, value: journal.dropped }]),
    ...(await backlogFamilies(sources.channels())),
    ...perRevision(up),
    ...servingMetrics.families(up),
    ...controlMetrics.families(),
    ...usageFamilies(usage),
  ]);
}

type Sample = { readonly labels: Labels; readonly value: number };

function gauge(name: string, samples: readonly Sample[]): Family {
  return { name, type: 'gauge', samples };
}

async function backlogFamilies(channels: readonly OpenChannel[]): Promise<readonly Family[]> {
  const { told, away } = await askBacklogs(channels);
  const figure = (name: string, of: (each: (typeof told)[number]) => number): Family =>
    gauge(
      name,
      told.map((each) => ({ labels: { channel: each.channel, subscription: each.group }, value: of(each) })),
    );
  return [
    gauge(
      'millrace_channel_away',
      away.map(({ channel }) => ({ labels: { channel }, value: 1 })),
    ),
    figure('millrace_backlog_events', ({ events }) => events),
    figure('millrace_backlog_bytes', ({ bytes }) => bytes),
    figure('millrace_dead_letters', ({ dead }) => dead),
  ];
}

function perRevision(up: ReturnType<Serving['snapshot']>): readonly Family[] {
  const figure = (name: string, of: (each: (typeof up)[number]) => number): Family =>
    gauge(
      name,
      up.map((each) => ({ labels: { revision: each.revision }, value: of(each) })),
    );
  return [
    figure('millrace_instances_ready', ({ ready }) => ready),
    figure('millrace_instances_desired', ({ desired }) => desired),
    figure('millrace_requests_in_flight', ({ inFlight }) => inFlight),
    figure('millrace_requests_waiting', ({ waiting }) => waiting),
  ];
}

function usageFamilies({ total }: UsageRecords): readonly Family[] {
  const rows = total.slice(0, USAGE_SERIES_MAX);
  const counter = (name: string, of: (row: (typeof rows)[number]) => number): Family => ({
    name,
    type: 'counter',
    samples: rows.map((row) => ({
      labels: { namespace: row.namespace, service: row.service, revision: row.revision },
      value: of(row),
    })),
  });
  return [
    counter('millrace_usage_requests_total', ({ requests }) => requests),
    counter('millrace_usage_instance_seconds_total', ({ instanceSeconds }) => instanceSeconds),
    counter('millrace_usage_cpu_seconds_total', ({ cpuSeconds }) => cpuSeconds),
    counter('millrace_usage_gib_seconds_total', ({ gibSeconds }) => gibSeconds),
  ];
}
