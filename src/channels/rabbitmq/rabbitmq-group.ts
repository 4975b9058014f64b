import type { Backlog, Consumer, Failure, GroupOptions } from '../channel.ts';
import { messageOf } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { DeskTools } from './desk.ts';
import type { Reader } from './envelope.ts';
import { Figures } from './figures.ts';
import { Inbox } from './inbox.ts';
import { Keeping, type KeepingTools } from './keeping.ts';
import type { Link } from './link.ts';
import { OrderedSession } from './ordered-session.ts';
import type { Session } from './session.ts';
import { UnorderedSession } from './unordered-session.ts';
import { lostBecause } from './within.ts';

export type GroupTools = KeepingTools & {
  readonly link: Link;
  readonly reader: Reader;
  readonly graceMs: number;
  readonly onDead: (event: CloudEvent, failure: Failure) => void;
};

/** How a group is served: not at all, together with others, or in order. */
type Mode = 'resting' | 'unordered' | 'ordered';

/** One group of a channel: whose queues are made already. */
export class RabbitmqGroup {
  readonly #tools: GroupTools;
  readonly keeping: Keeping;
  readonly figures: Figures;
  options: GroupOptions | undefined;
  #mode: Mode = 'resting';
  #session: Session | undefined;
  #changing: Promise<void> = Promise.resolve();

  constructor(tools: GroupTools) {
    this.#tools = tools;
    this.keeping = new Keeping(tools);
    this.figures = new Figures(tools, this.keeping);
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Changes of the mode are made one after the other; the first session is there when this resolves. */
  async serve(options: GroupOptions, consumer: Consumer): Promise<void> {
    this.options = options;
    const mode = modeOf(options);
    const isSame =
      mode === this.#mode || (this.#mode === 'unordered' && mode === 'resting' && !options.isOrdered);
    const before = this.#mode;
    if (!isSame) this.#mode = mode;
    const changed = this.#changing.then(() => this.#change(isSame ? undefined : mode, options, consumer));
    this.#changing = changed.catch(() => undefined);
    if (isSame || before === 'resting') return changed;
    // What is under way is not waited for: events are kept all the while.
    changed.catch((error: unknown) => this.#tools.onLost(lostBecause(messageOf(error), error)));
  }

  async close(graceMs: number): Promise<void> {
    await this.#session?.close(graceMs);
    await this.#changing;
    await this.#session?.close(graceMs);
  }

  async backlog(group: string): Promise<Backlog> {
    return this.figures.read(group, this.#session?.desk);
  }

  async #change(to: Mode | undefined, options: GroupOptions, consumer: Consumer): Promise<void> {
    if (to === undefined) return this.#session?.serve(options, consumer);
    await this.#session?.close(this.#tools.graceMs);
    this.#session = undefined;
    if (to === 'resting' || this.#tools.lost.aborted) return;
    const { link, onLost } = this.#tools;
    const inbox = await Inbox.open(link, onLost);
    const { figures } = this;
    const tools: DeskTools = {
      ...this.#tools,
      inbox,
      keeping: this.keeping,
      onDeadRoom: (hasRoom) => (figures.isDeadFull = !hasRoom),
      onSettled: (bytes) => figures.settled(bytes),
    };
    const session = to === 'ordered' ? new OrderedSession(tools, link) : new UnorderedSession(tools);
    this.#session = session;
    // Nothing is acknowledged after that, so what is in hand goes back at once.
    const stop = (): void => {
      void session.desk.offers.stop(this.#tools.graceMs);
      void inbox.close();
    };
    this.#tools.lost.addEventListener('abort', stop, { once: true });
    await session.serve(options, consumer);
  }
}

/** An unordered group that may have nothing under way keeps its session: it only consumes nothing. */
function modeOf({ inFlightMax, isOrdered }: GroupOptions): Mode {
  if (inFlightMax === 0) return 'resting';
  return isOrdered ? 'ordered' : 'unordered';
}
