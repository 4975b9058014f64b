import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Extension } from '../apiserver/api-server.ts';
import type { ApiRequest } from '../apiserver/request.ts';
import { ApiError, badRequest } from '../apiserver/storage/api-error.ts';
import { messageOf, PlatformError } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import { answerJson } from '../http/respond.ts';
import type { ImageStore } from '../serving/images/image-store.ts';
import { parseUser } from '../serving/images/launch.ts';
import type { Journal, JournalRecord } from '../telemetry/journal.ts';
import { askAll } from './channel-figures.ts';
import type { OpenChannel } from './channel-host.ts';
import { withPassedOver, type Subscriber } from './trace/passed-over.ts';
import type { UsageRecords } from './usage/usage.ts';

export type ExtensionOptions = {
  readonly images: ImageStore;
  readonly onPushed: () => void;
  readonly journal: Journal;
  readonly storedJournal: () => Promise<readonly Uint8Array[]>;
  /** Of a channel, by its key. */
  readonly subscribersOf: (channel: string) => readonly Subscriber[];
  readonly channels: () => readonly OpenChannel[];
  readonly status: () => Promise<unknown>;
  readonly backup: (folder: string) => Promise<void>;
  readonly clock: Clock;
  readonly usage: UsageRecords;
  readonly stop: AbortSignal;
};

/** A slow follower is cut, never waited for. */
const FOLLOWER_BYTES_MAX = 4 * 1024 * 1024;
const DEAD_LETTERS_MAX = 1000;

/** `platform.millrace.dev/v1alpha1`: what is no Kubernetes object, behind the same credentials (design decision 11). */
export function platformExtension(options: ExtensionOptions): Extension {
  const routes: Readonly<Record<string, (request: ApiRequest) => Promise<void>>> = {
    'GET images': async ({ response }) => answerJson(response, 200, { items: options.images.list() }),
    'POST images': (request) => push(options, request),
    'GET journal': (request) => readJournal(options, request),
    'GET deadletters': (request) => readDeadLetters(options, request),
    'GET status': async ({ response }) => answerJson(response, 200, await options.status()),
    'GET usage': (request) => readUsage(options, request),
    'POST backup': (request) => backup(options, request),
  };
  return {
    group: 'platform.millrace.dev',
    version: 'v1alpha1',
    async answer(request, path) {
      const route = routes[`${request.method} ${path}`];
      if (route === undefined)
        throw new ApiError(404, 'NotFound', `platform.millrace.dev has no ${request.method} ${path}`);
      await route(request);
    },
  };
}

async function bodyOf(request: ApiRequest): Promise<Record<string, unknown>> {
  try {
    return Object(JSON.parse((await request.body()).toString())) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw badRequest(`the body is not JSON: ${messageOf(error)}`);
  }
}

function textIn(body: Record<string, unknown>, name: string): string | undefined {
  const value = body[name];
  return typeof value === 'string' ? value : undefined;
}

/** `{image, path, command?, user?}`: the platform reads the path itself, since both are on one machine. */
async function push({ images, clock, onPushed }: ExtensionOptions, request: ApiRequest): Promise<void> {
  const body = await bodyOf(request);
  const [image, path] = [textIn(body, 'image'), textIn(body, 'path')];
  if (image === undefined || path === undefined) throw badRequest('image and path are required');
  try {
    const [command, written] = [textIn(body, 'command'), textIn(body, 'user')];
    const user = written === undefined ? undefined : parseUser(written); // before anything is read
    const { name, digest, launch } = await images.push(image, path, command, clock.nowMs(), user);
    onPushed();
    answerJson(request.response, 201, { name, digest, launch, ...(user && { user }) });
  } catch (error) {
    if (!(error instanceof PlatformError)) throw error;
    throw new ApiError(422, 'Invalid', error.message, {
      causes: [{ reason: error.code, message: error.message, field: 'path' }],
    });
  }
}

async function readJournal(options: ExtensionOptions, { query, response }: ApiRequest): Promise<void> {
  const { journal, stop } = options;
  const event = query.get('event');
  if (event !== null)
    return answerJson(response, 200, { items: await traceOf(options, event), dropped: journal.dropped });
  if (query.get('follow') !== 'true')
    return answerJson(response, 200, {
      items: journal.recent(Number(query.get('limit') ?? 100)),
      dropped: journal.dropped,
    });
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.flushHeaders();
  const send = (record: JournalRecord): void => {
    if (response.writableLength > FOLLOWER_BYTES_MAX) response.destroy();
    else response.write(`${JSON.stringify(record)}\n`);
  };
  const unfollow = journal.follow(send);
  const end = (): void => {
    unfollow();
    response.end();
  };
  response.once('close', end);
  stop.addEventListener('abort', end, { once: true });
}

async function traceOf(
  { journal, storedJournal, subscribersOf }: ExtensionOptions,
  event: string,
): Promise<ReturnType<typeof withPassedOver>> {
  const stored = await storedJournal();
  return withPassedOver(journal.of(event, stored), (channel) => ({
    now: subscribersOf(channel),
    gone: journal.forgotten(channel, stored),
  }));
}

async function readDeadLetters(
  { channels }: ExtensionOptions,
  { query, response }: ApiRequest,
): Promise<void> {
  const [event, group] = [query.get('event') ?? undefined, query.get('group') ?? undefined];
  const limit = Math.min(Number(query.get('limit') ?? 100), DEAD_LETTERS_MAX);
  const { told, away } = await askAll(channels(), async ({ key, channel }) =>
    (await channel.deadLetters({ limit, group, eventId: event })).map((letter) => ({
      channel: key,
      ...letter,
    })),
  );
  const items = told.map(({ event: { attributes, contentType, body }, ...letter }) => ({
    ...letter,
    event: {
      ...Object.fromEntries(attributes),
      ...(contentType !== undefined && { datacontenttype: contentType }),
      data_base64: Buffer.from(body).toString('base64'),
    },
  }));
  const newest = items.toSorted((a, b) => b.diedMs - a.diedMs).slice(0, limit);
  answerJson(response, 200, { items: newest, away });
}

/** `since`: milliseconds since the epoch; `by`: `service` or `revision`. */
async function readUsage({ usage }: ExtensionOptions, { query, response }: ApiRequest): Promise<void> {
  const [since, by] = [query.get('since'), query.get('by') ?? 'revision'];
  if (since !== null && !/^\d{1,15}$/.test(since))
    throw badRequest('since: milliseconds since the epoch are expected');
  if (by !== 'service' && by !== 'revision') throw badRequest('by: service or revision is expected');
  const items = await usage.query({
    sinceMs: since === null ? undefined : Number(since),
    namespace: query.get('namespace') ?? undefined,
    service: query.get('service') ?? undefined,
    by,
  });
  answerJson(response, 200, { items });
}

async function backup(options: ExtensionOptions, request: ApiRequest): Promise<void> {
  const folder = textIn(await bodyOf(request), 'folder');
  if (folder === undefined || !folder.startsWith('/'))
    throw badRequest('folder: an absolute path is required');
  // Its databases may be open, this platform's own among them: a copy over them would lose all that came after.
  if (existsSync(join(folder, 'VERSION')))
    throw new ApiError(409, 'Conflict', `${folder} is the data folder of a platform; a backup takes another`);
  await options.backup(folder);
  answerJson(request.response, 201, { folder });
}
