import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import { parseImageName } from '../../images/name.ts';
import { faultOf, type Engine, type RegistryAuth } from './engine.ts';

/** What has become of an image that an engine was asked for. */
export type Fetched =
  /** By its digest: `repository@sha256:…`. */
  | { readonly kind: 'fetched'; readonly pinned: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'failed'; readonly why: string };

const PULL_TIMEOUT_MS = 600_000;
/** Whoever asks is not held up longer, and asks again. */
const WAIT_MS = 250;
/** A failure is told for so long before it is tried again. */
const FAILED_FOR_MS = 5000;
const PULLS_MAX = 1000;

type Pull = { readonly result: Promise<Fetched>; settledMs: number | undefined };

/** Images of an engine: pulled once however many ask, and known by their digests. */
export class EngineImages {
  readonly #engine: Engine;
  readonly #pulls = new Map<string, Pull>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** `isLocal`: it is what the engine has by that name, and no registry is asked. */
  fetch(image: string, auth: RegistryAuth | undefined, isLocal: boolean): Promise<Fetched> {
    const key = JSON.stringify([image, auth, isLocal]);
    const known = this.#pulls.get(key);
    const isOld = known?.settledMs !== undefined && Date.now() - known.settledMs > FAILED_FOR_MS;
    const pull = known === undefined || isOld ? this.#begin(key, image, auth, isLocal) : known;
    return Promise.race([pull.result, pause(WAIT_MS, { kind: 'pending' } as const)]);
  }

  #begin(key: string, image: string, auth: RegistryAuth | undefined, isLocal: boolean): Pull {
    const result = this.#fetch(image, auth, isLocal).catch((error: unknown): Fetched => ({
      kind: 'failed',
      why: messageOf(error),
    }));
    const pull: Pull = { result, settledMs: undefined };
    void result.then(() => (pull.settledMs = Date.now()));
    this.#pulls.delete(key);
    this.#pulls.set(key, pull);
    const [oldest] = this.#pulls.keys();
    if (this.#pulls.size > PULLS_MAX && oldest !== undefined) this.#pulls.delete(oldest);
    return pull;
  }

  async #fetch(image: string, auth: RegistryAuth | undefined, isLocal: boolean): Promise<Fetched> {
    const { name, digest } = parseImageName(image);
    const at = name.lastIndexOf(':');
    const repository = name.slice(0, at);
    const reference = digest === undefined ? name : `${repository}@${digest}`;
    if (!isLocal) {
      const why = await this.#pull(repository, digest ?? name.slice(at + 1), auth);
      if (why !== undefined) return { kind: 'failed', why };
    }
    const answer = await this.#engine.ask('GET', `/images/${reference}/json`);
    if (answer.status >= 300) return { kind: 'failed', why: faultOf(answer) };
    const { RepoDigests = [], Id = '' } = answer.body as Inspected;
    const own = (RepoDigests ?? []).find((each) => each.startsWith(`${repository}@`)) ?? RepoDigests?.[0];
    const found = digest ?? own?.split('@')[1] ?? (Id.startsWith('sha256:') ? Id : `sha256:${Id}`);
    return { kind: 'fetched', pinned: `${repository}@${found}` };
  }

  /** Why it could not be pulled; undefined when it was. */
  async #pull(repository: string, tag: string, auth: RegistryAuth | undefined): Promise<string | undefined> {
    const query = new URLSearchParams({ fromImage: repository, tag });
    const headers =
      auth === undefined
        ? undefined
        : { 'x-registry-auth': Buffer.from(JSON.stringify(auth)).toString('base64url') };
    const signal = AbortSignal.timeout(PULL_TIMEOUT_MS);
    const path = `/images/create?${query.toString()}`;
    const { status, body } = await this.#engine.stream('POST', path, undefined, signal, headers);
    let said = '';
    for await (const chunk of body as AsyncIterable<Buffer>)
      said = (said + chunk.toString()).slice(-SAID_MAX);
    const last = said.trim().split('\n').at(-1) ?? '';
    const { error, message } = parsed(last) as { readonly error?: unknown; readonly message?: unknown };
    const fault = [error, message].find((each) => typeof each === 'string');
    if (status < 300 && fault === undefined) return undefined;
    return typeof fault === 'string' ? fault.trim() : `status ${status}`;
  }
}

type Inspected = { readonly RepoDigests?: readonly string[] | null; readonly Id?: string };

/** Of what a pull tells of its progress; how it ended is in its last line. */
const SAID_MAX = 64 * 1024;

function parsed(line: string): object {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
