import { createHash } from 'node:crypto';
import { systemClock } from '../../base/clock.ts';
import { createOutbound } from '../../http/outbound.ts';
import { readFetched, type Delivery } from './delivery.ts';
import { GitHubApi } from './rest/api.ts';
import { GitHubFault } from './rest/faults.ts';
import { Turns } from './rest/turns.ts';
import { Hooks, type Attempted, type DesiredHook } from './rest/hooks.ts';

export type ForwardOptions = {
  readonly apiUrl: string | undefined;
  readonly target: string;
  readonly token: string;
  readonly secret: string;
  readonly events: readonly string[];
  /** A webhook that is there; without one a webhook is made, and goes when the forwarding ends. */
  readonly hookId: string | undefined;
  /** Who forwards to what: the same one finds its webhook again when it could not remove it. */
  readonly who: string;
};

export type Polled = {
  /** The oldest first. */
  readonly deliveries: readonly Delivery[];
  /** Why there may be more, in words, and when GitHub wants to be asked again. */
  readonly trouble: { readonly message: string; readonly notBeforeMs: number } | undefined;
};

const GITHUB_API = 'https://api.github.com';
/** An attempt may be listed after one that began later. */
const OVERLAP_MS = 60_000;
const PENDING_MAX_MS = 120_000;
const PAGES_MAX = 100;

/**
 * The deliveries of a webhook as GitHub lists them, whether or not it could bring them: for a machine that GitHub cannot
 * reach. It begins with what happens after it was opened.
 */
export class GitHubForward {
  readonly #hooks: Hooks;
  readonly #free: () => Promise<void>;
  readonly hookId: string;
  readonly isTemporary: boolean;
  /** By id; those of the last minutes. */
  #seen: ReadonlyMap<string, number>;

  private constructor(hooks: Hooks, free: () => Promise<void>, hookId: string, isTemporary: boolean) {
    this.#hooks = hooks;
    this.#free = free;
    this.hookId = hookId;
    this.isTemporary = isTemporary;
    this.#seen = new Map();
  }

  /** Rejects with what GitHub says, in plain words. */
  static async open(options: ForwardOptions, signal: AbortSignal): Promise<GitHubForward> {
    const { apiUrl = GITHUB_API, token, secret, target, hookId } = options;
    const outbound = createOutbound({ route: () => undefined });
    const api = new GitHubApi({
      apiUrl,
      token,
      hidden: [secret],
      outbound,
      turns: new Turns(1),
      clock: systemClock,
    });
    const hooks = new Hooks(api, target);
    try {
      const id = hookId ?? (await temporaryHook(hooks, options, signal));
      const forward = new GitHubForward(hooks, () => outbound.destroy(), id, hookId === undefined);
      await forward.#skipOld(signal);
      return forward;
    } catch (error) {
      await outbound.destroy();
      throw error;
    }
  }

  async poll(signal: AbortSignal): Promise<Polled> {
    const deliveries: Delivery[] = [];
    try {
      for (const attempt of await this.#unseen(signal)) {
        const delivery = await this.#read(attempt, signal);
        this.#seen = new Map([...this.#seen, [attempt.id, attempt.atMs]]);
        if (delivery !== undefined) deliveries.push(delivery);
      }
      return { deliveries, trouble: undefined };
    } catch (error) {
      const isPassing = error instanceof GitHubFault && PASSING.has(error.reason);
      if (!isPassing) throw error;
      return { deliveries, trouble: { message: error.message, notBeforeMs: error.notBeforeMs ?? 0 } };
    }
  }

  /** Removes the webhook that was made for it. */
  async close(signal: AbortSignal): Promise<void> {
    try {
      if (this.isTemporary) await this.#hooks.remove(this.hookId, signal);
    } finally {
      await this.#free();
    }
  }

  async #skipOld(signal: AbortSignal): Promise<void> {
    const { items } = await this.#hooks.deliveries(this.hookId, undefined, signal);
    this.#seen = new Map(items.map(({ id, atMs }) => [id, atMs]));
  }

  /** Newer than the newest known, and a little older ones that were not listed before; the oldest first. */
  async #unseen(signal: AbortSignal): Promise<readonly Attempted[]> {
    const fromMs = Math.max(0, ...this.#seen.values()) - OVERLAP_MS;
    const unseen: Attempted[] = [];
    let cursor: string | undefined;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await this.#hooks.deliveries(this.hookId, cursor, signal);
      const recent = page.items.filter(({ atMs }) => atMs >= fromMs);
      unseen.push(...recent.filter(({ id }) => !this.#seen.has(id)));
      if (recent.length < page.items.length || page.cursor === undefined) break;
      cursor = page.cursor;
    }
    this.#seen = new Map([...this.#seen].filter(([, atMs]) => atMs >= fromMs));
    const nowMs = systemClock.nowMs();
    return unseen.filter(({ isPending, atMs }) => !isPending || nowMs - atMs > PENDING_MAX_MS).toReversed();
  }

  async #read({ id, guid, event }: Attempted, signal: AbortSignal): Promise<Delivery | undefined> {
    if (event === 'ping') return undefined;
    const payload = await this.#hooks.payload(this.hookId, id, signal);
    const delivery = readFetched(guid, event, payload);
    return 'kind' in delivery ? undefined : delivery;
  }
}

const PASSING: ReadonlySet<string> = new Set(['RateLimited', 'GitHubUnavailable']);

/** GitHub lists a delivery whether or not it could bring it: a name that never resolves will do (RFC 6761, 6.4). */
async function temporaryHook(
  hooks: Hooks,
  { who, secret, events }: ForwardOptions,
  signal: AbortSignal,
): Promise<string> {
  const name = createHash('sha256').update(who).digest('hex').slice(0, 16);
  const desired: DesiredHook = { url: `https://${name}.millrace-forward.invalid/`, events, secret };
  const left = await hooks.findByUrl(desired.url, signal);
  const hook = left === undefined ? hooks.create(desired, signal) : hooks.update(left.id, desired, signal);
  return (await hook).id;
}
