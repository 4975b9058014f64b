import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import { ask, loadClient, type Calls, type Client, type ReceivedMessage, type Stub } from './client.ts';
import { backendFault, isUnreached, statusOf, UNAUTHENTICATED, UNAVAILABLE, wordsOf } from './faults.ts';
import type { PubsubSettings } from './settings.ts';

const CONNECT_MAX_MS = 5000;
/** So often something is asked of the broker when nothing else was, and so long the answer may take. */
const HEARTBEAT_MS = 2000;
const HEARTBEAT_MAX_MS = 2000;
/** After a call that was not answered, so long until the broker is said to be gone. */
const LOST_AFTER_MS = 2500;
const PROBE_PAUSE_MS = 100;
/** A long poll takes one of the 100 streams that Google's servers allow on a connection. */
const POLLS_A_CONNECTION = 50;

/**
 * The connections to Pub/Sub: one to publish, one to acknowledge and administer, and one for every fifty long polls.
 *   N1  what was leased outlives a connection: one that was cut is made anew by gRPC, and nothing is lost by it.
 *   N2  `lost` says that the broker has answered nothing for LOST_AFTER_MS since something was not answered; a quiet link
 *       asks every HEARTBEAT_MS, so that a half-open connection is found out in less than seven seconds.
 */
export class Link {
  readonly project: string;
  readonly isEmulator: boolean;
  readonly lost: AbortSignal;
  readonly #clock: Clock;
  readonly #client: Client;
  readonly #publisher: Stub;
  readonly #subscriber: Stub;
  readonly #stop = new AbortController();
  readonly #lost = new AbortController();
  readonly #polls: { readonly stub: Promise<Stub>; count: number }[] = [];
  #answeredMs: number;
  #suspicion: Promise<void> | undefined;
  #beating: Promise<void> | undefined;

  private constructor(
    { project, access }: PubsubSettings,
    clock: Clock,
    { client, publisher, subscriber }: { client: Client; publisher: Stub; subscriber: Stub },
  ) {
    this.project = project;
    this.isEmulator = access.kind === 'emulator';
    this.lost = this.#lost.signal;
    this.#clock = clock;
    this.#client = client;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#answeredMs = clock.nowMs();
  }

  /** Connects; rejects with BACKEND_UNREACHABLE or BACKEND_REFUSED. */
  static async open(settings: PubsubSettings, clock: Clock): Promise<Link> {
    const client = await loadClient(settings);
    const connecting = Promise.all([client.publisher(), client.subscriber()]);
    try {
      const [publisher, subscriber] = await within(connecting, clock, CONNECT_MAX_MS);
      const link = new Link(settings, clock, { client, publisher, subscriber });
      await link.#greet();
      link.#beating = link.#beat();
      return link;
    } catch (error) {
      void connecting.then((stubs) => stubs.forEach((stub) => stub.close())).catch(() => undefined);
      throw backendFault(whereTo(settings), error);
    }
  }

  /** One call; rejects with the broker's error. */
  async call<Name extends keyof Calls>(
    name: Name,
    request: Calls[Name][0],
    maxMs: number,
  ): Promise<Calls[Name][1]> {
    const isPublisher = name === 'publish' || name.endsWith('Topic');
    try {
      const answer = await ask(isPublisher ? this.#publisher : this.#subscriber, name, request, maxMs);
      this.#answeredMs = this.#clock.nowMs();
      return answer;
    } catch (error) {
      if (isUnreached(error)) void this.suspect();
      throw error;
    }
  }

  /** A long poll; `signal` cancels it. That it ends without an answer is no sign of anything. */
  async poll(
    request: Calls['pull'][0],
    maxMs: number,
    signal: AbortSignal,
  ): Promise<readonly ReceivedMessage[]> {
    const connection = this.#pollConnection();
    connection.count += 1;
    try {
      const answer = await ask(await connection.stub, 'pull', request, maxMs, signal);
      return answer.receivedMessages ?? [];
    } finally {
      connection.count -= 1;
    }
  }

  /** Something was not answered: asks until it is, or the broker is lost (N2). */
  suspect(): Promise<void> {
    return (this.#suspicion ??= this.#probe().finally(() => (this.#suspicion = undefined)));
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled([this.#beating, this.#suspicion]);
    const polls = await Promise.allSettled(this.#polls.map(({ stub }) => stub));
    for (const poll of polls) if (poll.status === 'fulfilled') poll.value.close();
    this.#publisher.close();
    this.#subscriber.close();
  }

  #pollConnection(): { readonly stub: Promise<Stub>; count: number } {
    const free = this.#polls.find(({ count }) => count < POLLS_A_CONNECTION);
    if (free !== undefined) return free;
    const made = { stub: this.#client.subscriber(), count: 0 };
    this.#polls.push(made);
    return made;
  }

  async #greet(): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      const done = (error?: Error): void => (error === undefined ? resolve() : reject(noAnswer()));
      this.#publisher.waitForReady(Date.now() + CONNECT_MAX_MS, done);
    });
    await ready;
    const error = await this.#isUp(CONNECT_MAX_MS);
    if (error !== undefined) throw error;
  }

  /** Undefined when the broker answers and knows us, whatever it says about a topic that is not there. */
  async #isUp(maxMs: number): Promise<unknown> {
    try {
      const topic = `projects/${this.project}/topics/millrace-is-it-there`;
      await ask(this.#publisher, 'getTopic', { topic }, maxMs);
    } catch (error) {
      if (isUnreached(error) || statusOf(error) === UNAUTHENTICATED) return error;
    }
    this.#answeredMs = this.#clock.nowMs();
    return undefined;
  }

  async #beat(): Promise<void> {
    while (!this.#stop.signal.aborted && !this.lost.aborted) {
      await this.#clock.until(this.#clock.nowMs() + HEARTBEAT_MS, this.#stop.signal);
      if (this.#stop.signal.aborted) return;
      const isQuiet = this.#clock.nowMs() - this.#answeredMs >= HEARTBEAT_MS / 2;
      if (isQuiet && (await this.#isUp(HEARTBEAT_MAX_MS)) !== undefined) await this.suspect();
    }
  }

  async #probe(): Promise<void> {
    const untilMs = this.#clock.nowMs() + LOST_AFTER_MS;
    while (!this.#stop.signal.aborted) {
      const error = await this.#isUp(Math.max(untilMs - this.#clock.nowMs(), PROBE_PAUSE_MS));
      if (error === undefined || this.#stop.signal.aborted) return;
      if (this.#clock.nowMs() >= untilMs) return this.#lose(error);
      await this.#clock.until(this.#clock.nowMs() + PROBE_PAUSE_MS, this.#stop.signal);
    }
  }

  #lose(error: unknown): void {
    const message = `Pub/Sub does not answer: ${wordsOf(error)}`;
    this.#lost.abort(new PlatformError('CHANNEL_LOST', message, { retryable: true, cause: error }));
  }
}

async function within<T>(work: Promise<T>, clock: Clock, maxMs: number): Promise<T> {
  const done = new AbortController();
  const late = clock.until(clock.nowMs() + maxMs, done.signal).then(() => {
    throw noAnswer();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    late.catch(() => undefined); // it is decided
    done.abort();
  }
}

function noAnswer(): Error {
  return Object.assign(new Error('no connection within five seconds'), { code: UNAVAILABLE });
}

function whereTo({ project, access }: PubsubSettings): string {
  const host = access.kind === 'emulator' ? `the emulator at ${access.host}` : 'Google';
  return `Pub/Sub at ${host}, project ${project}`;
}
