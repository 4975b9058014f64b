import { hostFault, LOOPBACK_HOSTS } from '../http/host-check.ts';
import { answerText } from '../http/respond.ts';
import { openServer, type OpenServer } from '../http/server.ts';
import { metricsPage, type MetricsSources } from './metrics/metrics-page.ts';
import type { Address } from './options.ts';

export type DashboardOptions = MetricsSources & {
  readonly address: Address;
  readonly status: () => Promise<unknown>;
  readonly isReady: () => boolean;
};

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
          return void metricsPage(options).then((text) =>
            answerText(response, 200, text.trimEnd(), { 'content-type': 'text/plain; version=0.0.4' }),
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
