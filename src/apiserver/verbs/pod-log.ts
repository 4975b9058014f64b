import { once } from 'node:events';
import type { Resource } from '../../apis/resource.ts';
import type { ApiRequest } from '../request.ts';
import type { Clock } from '../../base/clock.ts';
import { badRequest, invalid, notFound, type Cause } from '../storage/api-error.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { keyOf, type Target } from './write.ts';

/** Where `kubectl logs` reads: what a container has printed, and, when followed, what it prints from now on. */
export interface LogReader {
  /** Undefined: there is no such output. */
  read(pod: LoggedPod, options: LogOptions): AsyncIterable<Uint8Array> | undefined;
}
export type LoggedPod = {
  readonly namespace: string;
  readonly name: string;
  readonly container: string | undefined;
  /** It stands for a part of the platform itself. */
  readonly isPlatform: boolean;
};
export type LogOptions = {
  readonly tailLines: number | undefined;
  /** Of the last lines at most so many bytes. */
  readonly limitBytes: number | undefined;
  /** Milliseconds since the epoch. */
  readonly sinceMs: number | undefined;
  readonly hasTimestamps: boolean;
  readonly isFollowed: boolean;
  /** Of the run before the one that goes on. */
  readonly isPrevious: boolean;
  readonly signal: AbortSignal;
};

const SELF_LABEL = 'platform.millrace.dev/self';

/** `GET …/pods/NAME/log` (core/v1 PodLogOptions). */
export async function podLog(
  { store, logs, clock }: { readonly store: SqliteStore; readonly logs: LogReader; readonly clock: Clock },
  { query, response }: ApiRequest,
  target: Target,
): Promise<void> {
  const { namespace = '', name = '' } = target.path;
  const ended = new AbortController();
  response.on('close', () => ended.abort());
  const container = query.get('container') ?? undefined;
  const options = { ...optionsOf(query, name, clock.nowMs()), signal: ended.signal };
  const pod = store.find(keyOf(target));
  if (container !== undefined && pod !== undefined && !containersOf(pod).includes(container)) {
    throw badRequest(`container ${container} is not valid for pod ${name}`);
  }
  const isPlatform = pod?.metadata.labels?.[SELF_LABEL] === 'true';
  const waiting = pod === undefined || options.isPrevious ? undefined : waitingReason(pod, container);
  if (waiting !== undefined)
    throw badRequest(
      `container ${JSON.stringify(waiting.name)} in pod ${JSON.stringify(name)} is waiting to start: ${waiting.reason}`,
    );
  const chunks = logs.read({ namespace, name, container, isPlatform }, options);
  if (chunks === undefined && pod === undefined) throw notFound(target.kind, name);
  if (chunks === undefined && options.isPrevious)
    throw badRequest(
      `previous terminated container ${JSON.stringify(container ?? containersOf(pod)[0])} in pod ${JSON.stringify(name)} not found`,
    );
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  for await (const chunk of chunks ?? []) {
    if (ended.signal.aborted) break;
    if (!response.write(chunk))
      await once(response, 'drain', { signal: ended.signal }).catch(() => undefined);
  }
  response.end();
}

/** Throws an Invalid, with Kubernetes' texts (core validation, ValidatePodLogOptions). */
function optionsOf(query: URLSearchParams, name: string, nowMs: number): Omit<LogOptions, 'signal'> {
  const causes: Cause[] = [];
  const fail = (field: string, value: string, message: string): undefined => {
    causes.push({ reason: 'FieldValueInvalid', field, message: `Invalid value: ${value}: ${message}` });
    return undefined;
  };
  const number = (field: string, least: number, message: string): number | undefined => {
    const value = query.get(field);
    if (value === null) return undefined;
    return /^-?\d{1,15}$/.test(value) && Number(value) >= least ? Number(value) : fail(field, value, message);
  };
  const tailLines = number('tailLines', 0, 'must be greater than or equal to 0');
  const limitBytes = number('limitBytes', 1, 'must be greater than 0');
  const sinceSeconds = number('sinceSeconds', 1, 'must be greater than 0');
  const sinceTime = query.get('sinceTime');
  const sinceTimeMs = sinceTime === null ? undefined : Date.parse(sinceTime);
  if (sinceTime !== null && query.has('sinceSeconds'))
    causes.push({
      reason: 'FieldValueForbidden',
      field: '',
      message: 'at most one of `sinceTime` or `sinceSeconds` may be specified',
    });
  if (Number.isNaN(sinceTimeMs)) fail('sinceTime', JSON.stringify(sinceTime), 'must be an RFC 3339 time');
  if (causes.length > 0) throw invalid({ group: '', kind: 'PodLogOptions', plural: 'pods' }, name, causes);
  const isSet = (field: string): boolean => ['true', '1'].includes(query.get(field) ?? '');
  return {
    tailLines,
    limitBytes,
    sinceMs: sinceSeconds === undefined ? sinceTimeMs : nowMs - sinceSeconds * 1000,
    hasTimestamps: isSet('timestamps'),
    isFollowed: isSet('follow'),
    isPrevious: isSet('previous'),
  };
}

/** Of a container that has never run. */
function waitingReason(
  pod: Resource,
  container: string | undefined,
): { readonly name: string; readonly reason: string } | undefined {
  const status = Object(Reflect.get(pod, 'status')) as Readonly<Record<string, unknown>>;
  const all = ['containerStatuses', 'initContainerStatuses'].flatMap((field) => {
    const statuses: unknown = status[field];
    return Array.isArray(statuses) ? (statuses as readonly ContainerStatus[]) : [];
  });
  const found = all.find(({ name }) => container === undefined || name === container);
  const reason = found?.state?.waiting?.reason;
  if (found === undefined || reason === undefined || found.lastState?.terminated !== undefined)
    return undefined;
  return { name: found.name, reason };
}

type ContainerStatus = {
  readonly name: string;
  readonly state?: { readonly waiting?: { readonly reason?: string } };
  readonly lastState?: { readonly terminated?: unknown };
};

function containersOf(pod: Resource | undefined): readonly unknown[] {
  const spec = Object(pod && Reflect.get(pod, 'spec')) as object;
  return ['containers', 'initContainers'].flatMap((field) => {
    const containers: unknown = Reflect.get(spec, field);
    return Array.isArray(containers)
      ? containers.map((each): unknown => Reflect.get(Object(each), 'name'))
      : [];
  });
}
