import type { Resource } from '../../apis/resource.ts';
import type { ApiRequest } from '../request.ts';
import { badRequest, notFound } from '../storage/api-error.ts';
import type { SqliteStore } from '../storage/sqlite-store.ts';
import { keyOf, type Target } from './write.ts';

/** Where `kubectl logs` reads: what an instance has printed, and, when followed, what it prints from now on. */
export interface LogReader {
  read(
    pod: { readonly namespace: string; readonly name: string; readonly container: string | undefined },
    options: LogOptions,
  ): AsyncIterable<Uint8Array> | undefined;
}
export type LogOptions = {
  readonly tailLines: number | undefined;
  readonly isFollowed: boolean;
  readonly isPrevious: boolean;
  readonly signal: AbortSignal;
};

/** `GET …/pods/NAME/log` (core/v1 PodLogOptions). */
export async function podLog(
  { store, logs }: { readonly store: SqliteStore; readonly logs: LogReader },
  { query, response }: ApiRequest,
  target: Target,
): Promise<void> {
  const { namespace = '', name = '' } = target.path;
  const ended = new AbortController();
  response.on('close', () => ended.abort());
  const tail = query.get('tailLines');
  const container = query.get('container') ?? undefined;
  const pod = store.find(keyOf(target));
  if (container !== undefined && pod !== undefined && !containersOf(pod).includes(container)) {
    throw badRequest(`container ${container} is not valid for pod ${name}`);
  }
  const options = {
    tailLines: tail === null ? undefined : Number(tail),
    isFollowed: query.get('follow') === 'true',
    isPrevious: query.get('previous') === 'true',
    signal: ended.signal,
  };
  const chunks = logs.read({ namespace, name, container }, options);
  if (chunks === undefined && pod === undefined) throw notFound(target.kind, name);
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  for await (const chunk of chunks ?? []) response.write(chunk);
  response.end();
}

function containersOf(pod: Resource): readonly unknown[] {
  const spec = Object(Reflect.get(pod, 'spec')) as object;
  return ['containers', 'initContainers'].flatMap((field) => {
    const containers: unknown = Reflect.get(spec, field);
    return Array.isArray(containers)
      ? containers.map((each): unknown => Reflect.get(Object(each), 'name'))
      : [];
  });
}
