import { setTimeout as pause } from 'node:timers/promises';
import { backoffDelayMs } from '../../../base/backoff.ts';
import { messageOf } from '../../../base/errors.ts';
import { parseImageName } from '../../images/name.ts';
import { faultOf, type Engine, type RegistryAuth } from './engine.ts';
import { pullImage } from './pull-image.ts';

/** What has become of an image that an engine was asked for. */
export type Fetched =
  /** By its digest: `repository@sha256:…`. */
  { readonly kind: 'fetched'; readonly pinned: string } | { readonly kind: 'pending' } | FetchFailure;
export type FetchFailure = {
  readonly kind: 'failed';
  readonly why: string;
  /** It was not to be pulled, and is not there. */
  readonly isAbsent: boolean;
  readonly failedMs: number; // since the epoch
};

/** As in Kubernetes: `IfNotPresent` and `Never` take what the engine has by that name. */
export type PullPolicy = 'Always' | 'IfNotPresent' | 'Never';
export type FetchOptions = {
  readonly auth: RegistryAuth | undefined;
  readonly policy: PullPolicy;
  /** A registry that has not said by then what the name means has failed. */
  readonly resolveTimeoutMs: number;
};

const PULL_TIMEOUT_MS = 600_000;
/** Whoever asks is not held up longer, and asks again. */
const WAIT_MS = 250;
/** Who asks so soon after another gets what that has got. */
const FRESH_MS = 5000;
/** Between tries: as kubelet begins, and shorter at the end, because one machine's user waits for it. */
const PAUSE = { policy: 'exponential', delayMs: 10_000, maxMs: 60_000 } as const;
const PULLS_MAX = 1000;

type Pull = {
  readonly result: Promise<Exclude<Fetched, { kind: 'pending' }>>;
  failures: number; // in a row
  /** Before then it is not begun anew; undefined: it is under way. */
  keptUntilMs: number | undefined;
};

/** Images of an engine: pulled once however many ask, and known by their digests. */
export class EngineImages {
  readonly #engine: Engine;
  readonly #nowMs: () => number;
  readonly #pulls = new Map<string, Pull>();
  /** With what credentials an image has come, for the day on which somebody has removed it. */
  readonly #auths = new Map<string, RegistryAuth | undefined>(); // by pinned name

  constructor(engine: Engine, nowMs: () => number = Date.now) {
    this.#engine = engine;
    this.#nowMs = nowMs;
  }

  fetch(image: string, options: FetchOptions): Promise<Fetched> {
    const { auth, policy } = options;
    const key = JSON.stringify([image, auth, policy]);
    const known = this.#pulls.get(key);
    const isOld = known?.keptUntilMs !== undefined && this.#nowMs() >= known.keptUntilMs;
    const pull =
      known === undefined || isOld ? this.#begin(key, image, options, known?.failures ?? 0) : known;
    return Promise.race([pull.result, pause(WAIT_MS, { kind: 'pending' } as const)]);
  }

  /** Pulls one that was there and has been removed; why it could not be had again, or undefined. */
  async again(pinned: string): Promise<string | undefined> {
    const [repository = '', digest = ''] = pinned.split('@');
    const auth = this.#auths.get(pinned);
    const signal = AbortSignal.timeout(PULL_TIMEOUT_MS);
    return pullImage(this.#engine, { repository, reference: digest, auth }, PULL_TIMEOUT_MS, signal);
  }

  #begin(key: string, image: string, options: FetchOptions, failures: number): Pull {
    const result = this.#fetch(image, options).then(
      (value) => this.#settle(pull, value),
      (error: unknown) => this.#settle(pull, { why: messageOf(error) }),
    );
    const pull: Pull = { result, failures, keptUntilMs: undefined };
    this.#pulls.delete(key);
    this.#pulls.set(key, pull);
    keepNewest(this.#pulls);
    return pull;
  }

  #settle(pull: Pull, came: Came): Exclude<Fetched, { kind: 'pending' }> {
    const failedMs = this.#nowMs();
    if ('pinned' in came) {
      pull.keptUntilMs = failedMs + FRESH_MS;
      return { kind: 'fetched', pinned: came.pinned };
    }
    const { why, isAbsent = false } = came;
    pull.keptUntilMs = failedMs + backoffDelayMs(PAUSE, pull.failures);
    pull.failures += 1;
    return { kind: 'failed', why, isAbsent, failedMs };
  }

  async #fetch(image: string, { auth, policy, resolveTimeoutMs }: FetchOptions): Promise<Came> {
    const { name, digest } = parseImageName(image);
    const at = name.lastIndexOf(':');
    const repository = name.slice(0, at);
    const present = policy === 'Always' ? undefined : await this.#find(image);
    if (present === undefined || 'why' in present) {
      if (policy === 'Never') return { why: present?.why ?? '', isAbsent: true };
      const what = { repository, reference: digest ?? name.slice(at + 1), auth };
      const why = await pullImage(this.#engine, what, resolveTimeoutMs, AbortSignal.timeout(PULL_TIMEOUT_MS));
      if (why !== undefined) return { why };
    }
    const found = present !== undefined && 'pinned' in present ? present : await this.#find(image);
    if ('pinned' in found) {
      this.#auths.delete(found.pinned);
      this.#auths.set(found.pinned, auth);
      keepNewest(this.#auths);
    }
    return found;
  }

  /** What the engine has by that name; or that it has not. */
  async #find(image: string): Promise<{ readonly pinned: string } | { readonly why: string }> {
    const { name, digest } = parseImageName(image);
    const repository = name.slice(0, name.lastIndexOf(':'));
    const reference = digest === undefined ? name : `${repository}@${digest}`;
    const answer = await this.#engine.ask('GET', `/images/${reference}/json`);
    if (answer.status >= 300) return { why: faultOf(answer) };
    const { RepoDigests, Id = '' } = answer.body as Inspected;
    const own = (RepoDigests ?? []).find((each) => each.startsWith(`${repository}@`)) ?? RepoDigests?.[0];
    // What was built here and never pushed has no digest of a registry: its own stands for it.
    const found = digest ?? own?.split('@')[1] ?? (Id.startsWith('sha256:') ? Id : `sha256:${Id}`);
    return { pinned: `${repository}@${found}` };
  }
}

type Came = { readonly pinned: string } | { readonly why: string; readonly isAbsent?: boolean };
type Inspected = { readonly RepoDigests?: readonly string[] | null; readonly Id?: string };

function keepNewest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > PULLS_MAX && oldest !== undefined) map.delete(oldest);
}
