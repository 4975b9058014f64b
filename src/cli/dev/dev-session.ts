import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../base/errors.ts';
import { PLATFORM_API, type ApiClient } from '../client.ts';
import { EXIT, UserError, type CommandContext } from '../command.ts';
import { printable, type JournalRecord } from '../trace.ts';
import type { Answered, Behind } from './door.ts';
import { FolderWatch } from './folder-watch.ts';
import type { LiveService, Saved } from './live-service.ts';

export type DevSessionOptions = {
  readonly client: ApiClient;
  readonly service: LiveService;
  readonly path: string;
  readonly namespace: string;
  readonly name: string;
  readonly out: CommandContext['stdout'];
};

/** What is told by the door is told by the journal as well, before or after it by less than this. */
const SAME_REQUEST_MS = 1000;
/** Until an instance that starts has something to print. */
const PRINT_AGAIN_MS = 100;
const PRINT_TRIES = 600;

/** One run of `dev`: saves, one after the other, and what the Service does meanwhile, as lines for a person. */
export class DevSession {
  readonly #options: DevSessionOptions;
  #url: string | undefined;
  #isSaving = false;
  #isSavedAgain = false;
  #isBroken = false;
  /** Answers that one of the two has told of: +1 by the door, -1 by the journal. */
  #ahead = 0;

  constructor(options: DevSessionOptions) {
    this.#options = options;
  }

  /** Where the Service is behind the gateway; undefined before it was ready. */
  get gateway(): Behind | undefined {
    if (this.#url === undefined || !URL.canParse(this.#url)) return undefined;
    const { hostname } = new URL(this.#url);
    const at = new URL(this.#options.client.run?.endpoints.gateway ?? this.#url);
    return { address: { host: at.hostname, port: Number(at.port || 80) }, serviceHost: hostname };
  }

  /** Saves what is there, then each save, until `stop` aborts. */
  async run(doorUrl: string, stop: AbortSignal): Promise<void> {
    const watch = new FolderWatch({ path: this.#options.path, onChange: () => void this.#save(stop) });
    watch.open();
    const { folders, isWhole } = watch.extent;
    this.#say('service', `${this.#options.namespace}/${this.#options.name} from ${this.#options.path}`);
    const following = this.#follow(stop);
    await this.#save(stop);
    this.#say('answers', [doorUrl, ...(this.#url === undefined ? [] : [this.#url])].join('  '));
    this.#say('watching', `${folders} ${folders === 1 ? 'folder' : 'folders'}; Ctrl-C ends it`);
    if (!isWhole) this.#say('', 'there are more: what is saved in those is not seen');
    await new Promise<void>((resolve) => {
      if (stop.aborted) resolve();
      else stop.addEventListener('abort', () => resolve(), { once: true });
    });
    watch.close();
    await following;
  }

  tellAnswered({ method, path, code, tookMs }: Answered): void {
    this.#say(`${code}`, `${method} ${printable(path)} in ${tookMs.toFixed(1)} ms`);
    this.#count(1);
  }

  /** One save at a time; what was saved meanwhile is taken by one more. */
  async #save(stop: AbortSignal): Promise<void> {
    if (this.#isSaving) return void (this.#isSavedAgain = true);
    this.#isSaving = true;
    do {
      this.#isSavedAgain = false;
      const startMs = performance.now();
      try {
        const saved = await this.#options.service.save(this.#options.path, stop);
        if (!stop.aborted) this.#tellSaved(saved, performance.now() - startMs);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (!stop.aborted) this.#say('error', error.message); // the platform is away: the next save tries again
      }
    } while (this.#isSavedAgain && !stop.aborted);
    this.#isSaving = false;
  }

  #tellSaved(saved: Saved, tookMs: number): void {
    switch (saved.kind) {
      case 'unchanged':
        if (this.#isBroken) this.#say('ready', 'as before');
        this.#isBroken = false;
        return;
      case 'ready':
        this.#url = saved.url;
        this.#isBroken = false;
        return this.#say('ready', `${saved.revision} in ${Math.round(tookMs)} ms`);
      case 'broken':
        this.#isBroken = true;
        this.#say('error', saved.reason);
        if (saved.serving !== undefined) this.#say('', `${saved.serving} goes on serving`);
        return;
      default:
        return saved satisfies never;
    }
  }

  /** Requests, and what instances print, as the platform tells of them. */
  async #follow(stop: AbortSignal): Promise<void> {
    const path = `${PLATFORM_API}/journal?follow=true`;
    const heard = new Set<string>();
    try {
      for await (const record of this.#options.client.follow<JournalRecord>(path, stop)) {
        if (!this.#isOwn(record)) continue;
        if (record.signal === 'serving.answered') this.#tellRecord(record);
        const instance = record['instance'];
        if (typeof instance !== 'string' || heard.has(instance)) continue;
        heard.add(instance);
        void this.#print(instance, stop);
      }
    } catch (error) {
      if (!stop.aborted) this.#say('error', `the platform tells no more: ${messageOf(error)}`);
    }
  }

  #isOwn({ signal, revision }: JournalRecord & { readonly revision?: unknown }): boolean {
    const { namespace, name } = this.#options;
    if (typeof revision !== 'string' || !signal.startsWith('serving.')) return false;
    const own = `${namespace}/${name}-`;
    return revision.startsWith(own) && /^\d{5}$/.test(revision.slice(own.length));
  }

  /** The door has told of plain requests with their path. */
  #tellRecord(record: JournalRecord): void {
    const [id, type] = [record['id'], record['type']];
    const took = `in ${Number(record['tookMs']).toFixed(1)} ms`;
    const isEvent = typeof id === 'string' && id !== '';
    if (isEvent) this.#say(String(record['code']), printable(`event ${String(type)} ${id} ${took}`));
    if (!isEvent && this.#ahead > 0) return this.#count(-1);
    if (isEvent) return;
    // It may be the door's that has not told of it yet.
    this.#count(-1);
    setTimeout(() => {
      if (this.#ahead >= 0) return;
      this.#ahead += 1;
      this.#say(String(record['code']), `a request at the gateway ${took}`);
    }, SAME_REQUEST_MS / 10).unref();
  }

  #count(by: 1 | -1): void {
    this.#ahead += by;
    if (by === 1)
      setTimeout(() => {
        if (this.#ahead > 0) this.#ahead -= 1; // the gateway itself has answered it
      }, SAME_REQUEST_MS).unref();
  }

  /** What an instance prints, from its first line on; one that is starting is asked again. */
  async #print(instance: string, stop: AbortSignal): Promise<void> {
    const path = `/api/v1/namespaces/${this.#options.namespace}/pods/${instance}/log?follow=true&container=user-container`;
    for (let tries = 0; tries < PRINT_TRIES && !stop.aborted; tries += 1) {
      try {
        for await (const line of this.#options.client.lines(path, stop)) this.#say('|', printable(line));
        return;
      } catch (error) {
        const isStarting = error instanceof UserError && error.exit === EXIT.failed;
        if (!isStarting) return; // the instance has gone, or the platform has
        await pause(PRINT_AGAIN_MS, undefined, { signal: stop }).catch(() => undefined);
      }
    }
  }

  #say(what: string, text: string): void {
    const [first = '', ...more] = text.split('\n');
    this.#options.out.write(`${what.padEnd(9)} ${first}\n`);
    for (const line of more) this.#options.out.write(`${' '.repeat(10)}${line}\n`);
  }
}
