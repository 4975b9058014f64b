import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { Link } from './link.ts';
import { requireDefaultCredentials, type PubsubSettings } from './settings.ts';

type Shared = { readonly opening: Promise<Link>; users: number };

export type UsedLink = { readonly link: Link; readonly leave: () => Promise<void> };

/** One link for all who use a project by the same credentials: opened by the first, closed by the last, made anew after a loss. */
export class Links {
  readonly #clock: Clock;
  readonly #shared = new Map<string, Shared>(); // by a hash of the settings

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Rejects with BACKEND_UNREACHABLE, BACKEND_REFUSED or BACKEND_SETTINGS_INVALID. */
  async use(settings: PubsubSettings): Promise<UsedLink> {
    const key = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
    const shared = this.#shared.get(key) ?? this.#share(key, settings);
    shared.users += 1;
    let hasLeft = false;
    const leave = async (): Promise<void> => {
      if (hasLeft) return;
      hasLeft = true;
      shared.users -= 1;
      if (shared.users > 0) return;
      this.#drop(key, shared);
      await shared.opening.then((link) => link.close()).catch(() => undefined); // it never opened
    };
    try {
      return { link: await shared.opening, leave };
    } catch (error) {
      await leave();
      throw error;
    }
  }

  #share(key: string, settings: PubsubSettings): Shared {
    const shared = { opening: this.#open(settings), users: 0 };
    this.#shared.set(key, shared);
    const drop = (): void => this.#drop(key, shared);
    shared.opening.then(({ lost }) => lost.addEventListener('abort', drop, { once: true }), drop);
    return shared;
  }

  async #open(settings: PubsubSettings): Promise<Link> {
    if (settings.access.kind === 'default') await requireDefaultCredentials(process.env);
    return Link.open(settings, this.#clock);
  }

  /** Who comes next opens another. */
  #drop(key: string, shared: Shared): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
  }
}
