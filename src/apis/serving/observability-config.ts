import { parseGoTemplate, type GoTemplate } from '../../base/go-template.ts';

/** What config-observability says of the logs of revisions. */
export type ObservabilityConfig = {
  /** A line for each request; undefined: none. */
  readonly requestLog: { readonly template: GoTemplate; readonly hasProbes: boolean } | undefined;
  /** Where the logs of a revision are, `${REVISION_UID}` for its uid; undefined: nowhere else. */
  readonly revisionUrlTemplate: string | undefined;
};

type Data = Readonly<Record<string, string>>;

/** Upstream's default (serving pkg/observability). */
const REQUEST_LOG_TEMPLATE =
  '{"httpRequest": {"requestMethod": "{{.Request.Method}}", "requestUrl": "{{js .Request.RequestURI}}", "requestSize": "{{.Request.ContentLength}}", "status": {{.Response.Code}}, "responseSize": "{{.Response.Size}}", "userAgent": "{{js .Request.UserAgent}}", "remoteIp": "{{js .Request.RemoteAddr}}", "serverIp": "{{.Revision.PodIP}}", "referer": "{{js .Request.Referer}}", "latency": "{{.Response.Latency}}s", "protocol": "{{.Request.Proto}}"}, "traceId": "{{.TraceID}}"}';

/** What a template may name; of Go's http.Request what a log line is made of. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Request: [
    'Method',
    'RequestURI',
    'Host',
    'Proto',
    'ContentLength',
    'RemoteAddr',
    'UserAgent',
    'Referer',
    'URL',
  ],
  Response: ['Code', 'Size', 'Latency'],
  Revision: ['Name', 'Namespace', 'Service', 'Configuration', 'PodName', 'PodIP'],
};

/** A fault is in upstream's words. */
export function parseObservabilityConfig(data: Data): ObservabilityConfig | { readonly fault: string } {
  const isSet = (key: string): boolean => /^(?:1|t|T|true|TRUE|True)$/.test(data[key] ?? '');
  const text = data['logging.request-log-template'] ?? REQUEST_LOG_TEMPLATE;
  // Each request is a line of its own.
  const template = parseGoTemplate('requestLog', text.endsWith('\n') ? text : `${text}\n`, isField);
  if ('fault' in template) return template;
  const isOn = isSet('logging.enable-request-log') && text !== '';
  return {
    requestLog: isOn ? { template, hasProbes: isSet('logging.enable-probe-request-log') } : undefined,
    revisionUrlTemplate: data['logging.revision-url-template'] || undefined,
  };
}

export function observabilityFault(data: Data): string | undefined {
  const parsed = parseObservabilityConfig(data);
  return 'fault' in parsed ? parsed.fault : undefined;
}

function isField([of = '', name = '', ...more]: readonly string[]): boolean {
  if (of === 'TraceID') return name === '';
  if (of === 'Request' && name === 'Header') return more.length === 0;
  return more.length === 0 && (FIELDS[of]?.includes(name) ?? false);
}
