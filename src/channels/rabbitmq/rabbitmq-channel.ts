import { PlatformError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { BackedChannel, ChannelSpec } from '../backend.ts';
import type { Backlog, Consumer, DeadLetter, DeadLetterStore, GroupOptions } from '../channel.ts';
import { tellAccepted, tellDead } from '../tell.ts';
import type { DeadLetterReader } from './dead-letters.ts';
import { bytesOf, toMessage, type Reader } from './envelope.ts';
import type { Link } from '../../clients/rabbitmq/link.ts';
import { queueNamesOf, type QueueNames } from './names.ts';
import { Publisher } from './publisher.ts';
import { RabbitmqGroup } from './rabbitmq-group.ts';
import type { Topology } from './topology.ts';
import { lostBecause, refusal } from '../../clients/rabbitmq/within.ts';

export type ChannelTools = {
  readonly link: Link;
  readonly clock: Clock;
  readonly reader: Reader;
  readonly deadLetters: DeadLetterReader;
  readonly graceMs: number;
};

type Served = { readonly group: RabbitmqGroup; readonly names: QueueNames; readonly isShared: boolean };

/** A group that is forgotten lets what is under way end in this time. */
const FORGET_GRACE_MS = 1000;
const GONE_MAX_MS = 2000;

/**
 * A channel as an exchange with a queue for each group (docs/backends/rabbitmq.md).
 *   X1  once consume() has resolved, the group's queue is bound, and an event is accepted when every bound queue has it.
 *   X2  an event that no queue takes is accepted while there is no group here, and is otherwise an error.
 *   X3  after `lost` nothing is acknowledged: what was in hand comes again on the next connection.
 */
export class RabbitmqChannel implements BackedChannel {
  readonly #tools: ChannelTools;
  readonly #spec: ChannelSpec;
  readonly #exchange: string;
  readonly #lost = new AbortController();
  readonly #topology: Topology;
  readonly #publisher: Publisher;
  readonly #served = new Map<string, Served>();
  readonly #known: Set<string>; // has or had queues under its own name
  readonly #forgotten = new Set<string>();
  #consuming: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;

  constructor(tools: ChannelTools, spec: ChannelSpec, exchange: string, topology: Topology) {
    this.#tools = tools;
    this.#spec = spec;
    this.#exchange = exchange;
    this.#topology = topology;
    this.#known = new Set(spec.groups);
    this.#publisher = new Publisher(tools.link, tools.clock, (why) => this.#lose(why));
    const { lost } = tools.link;
    if (lost.aborted) this.#lost.abort(lost.reason);
    else lost.addEventListener('abort', () => this.#lose(lost.reason), { once: true });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async publish(event: CloudEvent): Promise<void> {
    this.#refuseIfOver();
    const bytes = bytesOf(event);
    this.#refuseIfFull(bytes);
    const { clock, reader } = this.#tools;
    const atMs = clock.nowMs();
    const seq = reader.newSeq();
    const { body, options } = toMessage(event, seq, reader.prefix);
    options.mandatory = true;
    const confirmed = await this.#publisher.publish({ exchange: this.#exchange, key: '', body, options });
    if (confirmed === 'refused') throw full(`a queue of exchange ${this.#exchange} takes no more events`);
    if (confirmed === 'returned' && this.#served.size > 0) throw this.#queueGone(); // X2
    const durableMs = clock.nowMs();
    for (const { group } of this.#served.values()) group.figures.published(bytes);
    const groups = [...this.#served.keys()];
    tellAccepted(event, { atMs, durableMs, channel: this.#spec.key, seq, bytes, groups });
  }

  consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    const consuming = this.#consuming.then(() => this.#consume(name, options, consumer));
    this.#consuming = consuming.catch(() => undefined);
    return consuming;
  }

  async forget(name: string): Promise<number> {
    this.#refuseIfOver();
    await this.#consuming;
    const served = this.#served.get(name);
    this.#served.delete(name);
    await served?.group.close(FORGET_GRACE_MS, 'nobody');
    this.#forgotten.add(name);
    if (served?.isShared === true) return 0;
    return this.#deleteOwed(served?.names ?? this.#namesOf(name), served);
  }

  async backlog(): Promise<readonly Backlog[]> {
    this.#refuseIfOver();
    await this.#findKnown();
    return Promise.all([...this.#served].map(([name, { group }]) => group.backlog(name)));
  }

  async deadLetters(query: Parameters<DeadLetterStore['deadLetters']>[0]): Promise<readonly DeadLetter[]> {
    this.#refuseIfOver();
    const { limit, group, eventId } = query;
    const names = [...new Set([...this.#served.keys(), ...this.#known])];
    const letters: DeadLetter[] = [];
    for (const name of names.filter((each) => group === undefined || each === group)) {
      const served = this.#served.get(name);
      const isWanted = ({ event }: { event: CloudEvent }): boolean =>
        eventId === undefined || event.attributes.get('id') === eventId;
      const queue = (served?.names ?? this.#namesOf(name)).dead;
      const found = await this.#tools.deadLetters.read(
        queue,
        { limit, isWanted },
        this.#tools.reader,
        (count) => {
          if (served !== undefined) served.group.figures.deadInHand = count;
        },
      );
      letters.push(...found.map((letter) => ({ ...letter, group: name })));
    }
    return letters.toSorted((a, b) => b.diedMs - a.diedMs || b.seq - a.seq).slice(0, limit);
  }

  async remove(): Promise<number> {
    const { link } = this.#tools;
    if (link.lost.aborted) throw link.lost.reason;
    const served = new Map(this.#served);
    await this.#closeGroups(FORGET_GRACE_MS, 'nobody');
    let owed = 0;
    for (const name of new Set([...this.#known, ...served.keys()])) {
      if (served.get(name)?.isShared === true) continue;
      const names = this.#namesOf(name);
      owed += await this.#deleteOwed(names, served.get(name));
      await this.#topology.deleteQueue(names.dead);
    }
    if (this.#spec.externalName === undefined) await this.#topology.deleteExchange(this.#exchange);
    await this.close();
    return owed;
  }

  async check(): Promise<string | undefined> {
    const { link } = this.#tools;
    if (this.#lost.signal.aborted) return String(this.#lost.signal.reason);
    if (link.blocked !== undefined) return `RabbitMQ takes no events for now: ${link.blocked}`;
    try {
      if (!(await this.#topology.hasExchange(this.#exchange)))
        return `exchange ${this.#exchange} was deleted`;
      for (const { names, group } of this.#served.values()) {
        for (const queue of [names.main, names.retry, names.dead])
          if ((await this.#topology.count(queue)) === undefined) return `queue ${queue} was deleted`;
        const [silent] = group.keeping.avoided;
        if (silent !== undefined)
          return `queue ${silent} does not answer: has it a leader? Delete it when it stays so`;
      }
      return undefined;
    } catch (error) {
      return refusal('looking after the channel', error).message;
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    await this.#consuming;
    await this.#closeGroups(this.#tools.graceMs, 'may come');
    await Promise.all([this.#publisher.close(), this.#topology.close()]);
  }

  async #closeGroups(graceMs: number, others: 'may come' | 'nobody'): Promise<void> {
    await Promise.all(this.#served.values().map(({ group }) => group.close(graceMs, others)));
    this.#served.clear();
  }

  async #consume(name: string, options: GroupOptions, consumer: Consumer): Promise<void> {
    this.#refuseIfOver();
    const names = this.#namesOf(options.sharedName ?? name);
    const before = this.#served.get(name);
    await this.#refuseStart(options, names, before);
    await this.#topology.makeGroup(this.#exchange, names, options.isOrdered).catch((error: unknown) => {
      throw refusal(`group ${name}`, error);
    });
    const isSame = before?.names.main === names.main;
    if (before !== undefined && !isSame) await before.group.close(this.#tools.graceMs);
    const isShared = options.sharedName !== undefined;
    const group = before !== undefined && isSame ? before.group : this.#makeGroup(name, names, isShared);
    this.#served.set(name, { group, names, isShared });
    if (options.sharedName === undefined) this.#known.add(name);
    this.#forgotten.delete(name);
    await group.serve(options, consumer);
  }

  /** A queue keeps what comes; it knows no past. A group that is there goes on where it was. */
  async #refuseStart({ start }: GroupOptions, names: QueueNames, before: Served | undefined): Promise<void> {
    if (start === 'latest' || before !== undefined) return;
    if ((await this.#topology.count(names.main)) !== undefined) return;
    const message =
      'RabbitMQ keeps no events from before a subscription: its queue begins with the next event. Set start to latest, or leave it out';
    throw new PlatformError('CHANNEL_START_UNSUPPORTED', message, { retryable: false });
  }

  #makeGroup(name: string, names: QueueNames, isShared: boolean): RabbitmqGroup {
    const { link, clock, reader, graceMs } = this.#tools;
    const { key } = this.#spec;
    return new RabbitmqGroup({
      link,
      clock,
      reader,
      graceMs,
      names,
      isShared,
      prefix: reader.prefix,
      topology: this.#topology,
      publisher: this.#publisher,
      lost: this.#lost.signal,
      onLost: (why) => this.#lose(why),
      onDead: (event, failure) =>
        tellDead(event, { channel: key, group: name, atMs: clock.nowMs() }, failure),
    });
  }

  /** Groups of former runs that nobody consumes yet have their backlog all the same, when their queue is there. */
  async #findKnown(): Promise<void> {
    for (const name of this.#known) {
      if (this.#served.has(name) || this.#forgotten.has(name)) continue;
      const names = this.#namesOf(name);
      const isThere = (await this.#topology.count(names.main)) !== undefined;
      if (this.#served.has(name)) continue; // meanwhile
      if (isThere)
        this.#served.set(name, { group: this.#makeGroup(name, names, false), names, isShared: false });
      else this.#forgotten.add(name);
    }
  }

  /** What was in hand is back in its queue, and counts, once the consumers are gone. */
  async #deleteOwed(names: QueueNames, served: Served | undefined): Promise<number> {
    const { clock } = this.#tools;
    const untilMs = clock.nowMs() + GONE_MAX_MS;
    const consumed = served === undefined ? [] : [names.main, names.retry, ...served.group.keeping.waits];
    for (const queue of consumed)
      while (((await this.#topology.count(queue))?.consumers ?? 0) > 0 && clock.nowMs() < untilMs)
        await clock.until(clock.nowMs() + 5, this.#lost.signal);
    let owed = 0;
    for (const queue of [...names.waits, names.retry, names.main, names.turn]) {
      const ready = await this.#topology.deleteQueue(queue);
      if (queue !== names.turn) owed += ready;
    }
    return owed;
  }

  #namesOf(group: string): QueueNames {
    return queueNamesOf(this.#exchange, group);
  }

  #refuseIfOver(): void {
    if (this.#closing !== undefined)
      throw new PlatformError('CHANNEL_CLOSED', 'the channel is closed', { retryable: true });
    if (this.#lost.signal.aborted) throw this.#lost.signal.reason;
  }

  #refuseIfFull(bytes: number): void {
    for (const [name, { group }] of this.#served) {
      const bytesMax = group.options?.backlogBytesMax;
      if (bytesMax === undefined) continue;
      const { figures, session } = group;
      if (figures.isOld) void figures.refresh(session?.desk).catch(() => undefined); // `lost` tells
      if (figures.bytes + bytes > bytesMax)
        throw full(`subscription ${name} owes about ${Math.round(figures.bytes)} bytes`);
    }
  }

  #queueGone(): PlatformError {
    const why = lostBecause(
      `no queue took the event: those of exchange ${this.#exchange} were deleted or unbound`,
    );
    this.#lose(why);
    return why;
  }

  #lose(why: PlatformError): void {
    if (!this.#lost.signal.aborted) this.#lost.abort(why);
  }
}

function full(message: string): PlatformError {
  return new PlatformError('CHANNEL_FULL', message, { retryable: true });
}
