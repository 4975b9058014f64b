import type { Backlog, Consumer, Failure, GroupOptions } from '../channel.ts';
import { messageOf } from '../../base/errors.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { DeskTools } from './desk.ts';
import type { Reader } from './envelope.ts';
import { Figures } from './figures.ts';
import { Inbox } from '../../clients/rabbitmq/inbox.ts';
import { Keeping, type KeepingTools } from './keeping.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { OrderedSession } from './ordered-session.ts';
import type { Session } from './session.ts';
import { UnorderedSession } from './unordered-session.ts';
import { WaitLine } from './wait-line.ts';
import { lostBecause } from '../../clients/rabbitmq/within.ts';

export type GroupTools = KeepingTools & {
  readonly link: Link;
  readonly reader: Reader;
  readonly graceMs: number;
  readonly onDead: (event: CloudEvent, failure: Failure) => void;
  /** Other platforms serve it, too. */
  readonly isShared: boolean;
};

/** A platform that lets go of the group may have made a waiting queue after this one had asked for them. */
const ASK_AGAIN_MS = 60_000;

/** How a group is served: not at all, together with others, or in order. */
type Mode = 'resting' | 'unordered' | 'ordered';

/** One group of a channel: whose queues are made already. */
export class RabbitmqGroup {
  readonly #tools: GroupTools;
  readonly keeping: Keeping;
  readonly figures: Figures;
  readonly waitLine: WaitLine;
  readonly #stop = new AbortController();
  options: GroupOptions | undefined;
  #mode: Mode = 'resting';
  #session: Session | undefined;
  #changing: Promise<void> = Promise.resolve();
  #finding: Promise<void> | undefined;

  constructor(tools: GroupTools) {
    this.#tools = tools;
    this.waitLine = new WaitLine(tools);
    this.keeping = new Keeping(tools, (queue) => this.waitLine.serve(queue, this.keeping));
    this.figures = new Figures(tools, this.keeping, this.waitLine);
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

  async close(graceMs: number, others: 'may come' | 'nobody' = 'may come'): Promise<void> {
    this.#stop.abort();
    await this.#session?.close(graceMs, others);
    await this.#changing;
    await this.#session?.close(graceMs, others);
    await this.waitLine.close();
  }

  async backlog(group: string): Promise<Backlog> {
    await this.findWaits();
    return this.figures.read(group, this.#session?.desk);
  }

  /** Those that were made before; from now on they are looked after. */
  async findWaits(): Promise<void> {
    await (this.#finding ??= this.#find());
  }

  async #find(): Promise<void> {
    const { isShared, clock, lost } = this.#tools;
    await (isShared ? this.keeping.makeWaits() : this.keeping.findWaits());
    const over = AbortSignal.any([this.#stop.signal, lost]);
    void clock.until(clock.nowMs() + ASK_AGAIN_MS, over).then(() => {
      if (!over.aborted) this.keeping.findWaits().catch(() => undefined); // `lost` tells
    });
  }

  async #change(to: Mode | undefined, options: GroupOptions, consumer: Consumer): Promise<void> {
    if (to === undefined) return this.#session?.serve(options, consumer);
    await this.#session?.close(this.#tools.graceMs, 'may come');
    this.#session = undefined;
    if (to === 'resting' || this.#tools.lost.aborted) return;
    const { link, onLost } = this.#tools;
    await this.findWaits();
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
