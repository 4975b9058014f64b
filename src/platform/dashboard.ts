import { hostFault, LOOPBACK_HOSTS } from '../http/host-check.ts';
import { answerText } from '../http/respond.ts';
import { openServer, type OpenServer } from '../http/server.ts';
import type { Serving } from '../serving/serving.ts';
import type { Journal } from '../telemetry/journal.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { askBacklogs } from './channel-figures.ts';
import type { OpenChannel } from './channel-host.ts';
import type { Address } from './options.ts';
import type { UsageRecords } from './usage/usage.ts';

export type DashboardOptions = {
  readonly address: Address;
  readonly status: () => Promise<unknown>;
  readonly journal: Journal;
  readonly metrics: Metrics;
  readonly channels: () => readonly OpenChannel[];
  readonly serving: Serving;
  readonly usage: UsageRecords;
  readonly isReady: () => boolean;
};

/** Revisions whose usage is on the page; `millrace usage` has them all. */
const USAGE_SERIES_MAX = 1000;

/** `/metrics`, `/healthz`, `/readyz`, and at `/` a page that says what runs; the full dashboard comes later. */
export function openDashboard(options: DashboardOptions): Promise<OpenServer> {
  const { address, isReady } = options;
  const hosts = new Set([...LOOPBACK_HOSTS, address.host]);
  return openServer({
    name: 'dashboard',
    flag: '--dashboard',
    ...address,
    onRequest(request, response) {
      const fault = hostFault(request, hosts);
      if (fault !== undefined) return answerText(response, fault.code, fault.reason);
      switch (request.url?.split('?')[0]) {
        case '/healthz':
          return answerText(response, 200, 'ok');
        case '/readyz':
          return answerText(response, isReady() ? 200 : 503, isReady() ? 'ok' : 'starting or stopping');
        case '/metrics':
          return void gauges(options).then((values) =>
            answerText(response, 200, options.metrics.render(values).trimEnd(), {
              'content-type': 'text/plain; version=0.0.4',
            }),
          );
        case '/':
          return void page(options).then((html) =>
            answerText(response, 200, html, {
              'content-type': 'text/html; charset=utf-8',
              'content-security-policy':
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
              'x-content-type-options': 'nosniff',
            }),
          );
        default:
          return answerText(response, 404, 'there are /, /metrics, /healthz and /readyz here');
      }
    },
  });
}

async function gauges({
  channels,
  serving,
  journal,
  usage,
}: DashboardOptions): Promise<{ name: string; labels: Record<string, string>; value: number }[]> {
  const found: { name: string; labels: Record<string, string>; value: number }[] = [
    { name: 'millrace_journal_dropped', labels: {}, value: journal.dropped },
  ];
  const { told, away } = await askBacklogs(channels());
  for (const { channel } of away)
    found.push({ name: 'millrace_channel_away', labels: { channel }, value: 1 });
  for (const { channel, group, events, bytes, dead } of told) {
    const labels = { channel, subscription: group };
    found.push(
      { name: 'millrace_backlog_events', labels, value: events },
      { name: 'millrace_backlog_bytes', labels, value: bytes },
      { name: 'millrace_dead_letters', labels, value: dead },
    );
  }
  for (const { revision, ready, desired, inFlight, waiting } of serving.snapshot()) {
    const labels = { revision };
    found.push(
      { name: 'millrace_instances_ready', labels, value: ready },
      { name: 'millrace_instances_desired', labels, value: desired },
      { name: 'millrace_requests_in_flight', labels, value: inFlight },
      { name: 'millrace_requests_waiting', labels, value: waiting },
    );
  }
  for (const { requests, instanceSeconds, cpuSeconds, gibSeconds, ...labels } of usage.total.slice(
    0,
    USAGE_SERIES_MAX,
  ))
    found.push(
      { name: 'millrace_usage_requests_total', labels, value: requests },
      { name: 'millrace_usage_instance_seconds_total', labels, value: instanceSeconds },
      { name: 'millrace_usage_cpu_seconds_total', labels, value: cpuSeconds },
      { name: 'millrace_usage_gib_seconds_total', labels, value: gibSeconds },
    );
  return found;
}

async function page(options: DashboardOptions): Promise<string> {
  const recent = options.journal.recent(50).toReversed();
  const rows = recent.map(
    (record) =>
      `<tr><td>${new Date(record.atMs).toISOString()}</td><td>${escaped(record.signal)}</td><td><code>${escaped(JSON.stringify(record))}</code></td></tr>`,
  );
  return `<!doctype html><meta charset="utf-8"><title>Millrace</title><style>body{font:14px system-ui;margin:2rem}td{padding:.2rem .6rem;vertical-align:top}code{font-size:12px;word-break:break-all}</style>
<h1>Millrace</h1><pre>${escaped(JSON.stringify(await options.status(), undefined, 2))}</pre><h2>Most recent</h2><table>${rows.join('')}</table>`;
}

/** Everything that senders chose is shown as text. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
