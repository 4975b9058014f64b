import { parseObservabilityConfig, type ObservabilityConfig } from '../apis/serving/observability-config.ts';
import { renderGoTemplate, type GoValue } from '../base/go-template.ts';
import type { Informers } from '../control/informer.ts';
import type { InstanceEvent } from '../serving/activator/pool-tools.ts';
import type { LoggedRequest, RequestLog } from '../serving/gateway/request-log.ts';
import type { LogFiles } from '../serving/runtime/process/log-files.ts';
import type { RevisionIdentity } from './metrics/identity.ts';

type Data = Readonly<Record<string, string>>;

/**
 * What `logging.request-log-template` of config-observability asks for, in the log of each Pod's queue-proxy: a line for
 * each request that its instance has answered. A change counts from the next request on.
 */
export class RequestLogs implements RequestLog {
  readonly #identityOf: (revision: string) => RevisionIdentity;
  readonly #named = new Set<string>(); // instances whose log has begun
  #files: LogFiles | undefined;
  #asked: ObservabilityConfig['requestLog'];

  constructor(identityOf: (revision: string) => RevisionIdentity) {
    this.#identityOf = identityOf;
  }

  /** From now on there is somewhere to write to. */
  open(files: LogFiles): void {
    this.#files = files;
  }

  get isOn(): boolean {
    return this.#asked !== undefined;
  }

  /** Reads config-observability now and whenever it changes. */
  follow(informers: Informers): void {
    informers.of({ apiVersion: 'v1', kind: 'ConfigMap' }).onChange((object, type) => {
      const { namespace, name } = object.metadata;
      if (namespace === 'knative-serving' && name === 'config-observability')
        this.configure(type === 'DELETED' ? {} : (Object(Reflect.get(object, 'data')) as Data)); // by its schema
    });
  }

  configure(data: Data): void {
    const parsed = parseObservabilityConfig(data);
    if (!('fault' in parsed)) this.#asked = parsed.requestLog; // one with a fault was never stored
  }

  /** The log of an instance ends with it. */
  observe({ kind, id }: InstanceEvent): void {
    if (kind !== 'gone') return;
    this.#named.delete(id);
    this.#files?.ended(logOf(id));
  }

  write(logged: LoggedRequest): void {
    if (this.#asked === undefined || (!this.#asked.hasProbes && isProbe(logged.request))) return;
    const identity = this.#identityOf(logged.revision);
    const log = logOf(logged.instance);
    if (!this.#named.has(logged.instance)) {
      this.#named.add(logged.instance);
      this.#files?.begin(log, identity);
    }
    const line = renderGoTemplate(this.#asked.template, valuesOf(logged, identity));
    this.#files?.write(log, 'stdout', Buffer.from(line));
  }
}

const logOf = (instance: string): string => `${instance}.queue-proxy`;

/** networking pkg/http/header, IsProbe. */
function isProbe({ headers }: LoggedRequest['request']): boolean {
  return (
    (headers['user-agent'] ?? '').startsWith('kube-probe/') ||
    headers['k-kubelet-probe'] !== undefined ||
    headers['k-network-probe'] !== undefined
  );
}

function valuesOf(
  { request, code, bytes, tookMs, instance }: LoggedRequest,
  revision: RevisionIdentity,
): GoValue {
  const { method, target, host, headers, rawHeaders, origin } = request;
  return {
    Request: {
      Method: method,
      RequestURI: target,
      URL: target,
      Host: host,
      Proto: rawHeaders[0]?.startsWith(':') === true ? 'HTTP/2.0' : 'HTTP/1.1',
      ContentLength: lengthOf(headers),
      RemoteAddr: origin.peer,
      UserAgent: headers['user-agent'] ?? '',
      Referer: headers.referer ?? '',
      Header: headersOf(rawHeaders),
    },
    Response: { Code: code, Size: bytes, Latency: tookMs / 1000 },
    Revision: {
      Name: revision.revision,
      Namespace: revision.namespace,
      Service: revision.service,
      Configuration: revision.configuration,
      PodName: instance,
      PodIP: '127.0.0.1',
    },
    TraceID: traceOf(headers),
  };
}

/** As Go has it: -1, of a body whose length nobody has said. */
function lengthOf(headers: LoggedRequest['request']['headers']): number {
  const length = headers['content-length'];
  if (length !== undefined) return Number(length);
  return headers['transfer-encoding'] === undefined ? 0 : -1;
}

/** By Go's names: `X-B3-Traceid`. */
function headersOf(rawHeaders: readonly string[]): GoValue {
  const headers: Record<string, string[]> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase().replace(/(?:^|-)[a-z]/g, (start) => start.toUpperCase());
    (headers[name] ??= []).push(rawHeaders[i + 1] ?? '');
  }
  return headers;
}

function traceOf(headers: LoggedRequest['request']['headers']): string {
  const [, trace] = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(String(headers['traceparent'] ?? '')) ?? [];
  return trace ?? String(headers['x-b3-traceid'] ?? '');
}
