import { growingPauseMs } from '../../base/backoff.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { Requests } from '../../clients/rabbitmq/requests.ts';
import type { RunningSource, SourceAdapter, SourceTools } from '../source.ts';
import { hasClaims, readClaims } from './claims.ts';
import { Origin, type Failing } from './origin.ts';
import type { RabbitmqPlan } from './plan.ts';
import { ReadLinks, type Lease } from './read-links.ts';
import { Reading } from './reading.ts';

const PAUSE = { firstMs: 250, maxMs: 30_000 };
/** A broker tells when a queue that is read is deleted, and not when its exchange is. */
const LOOK_EVERY_MS = 60_000;

/** Queues of RabbitMQ; sources with the same address share a connection. */
export function rabbitmqAdapter(lookEveryMs = LOOK_EVERY_MS): SourceAdapter<RabbitmqPlan> {
  const links = new ReadLinks(async () => (await import('amqplib')).connect);
  return {
    open(plan, tools) {
      const source = new RabbitmqQueue(plan, tools, links, lookEveryMs);
      source.start();
      return source;
    },
    patienceOf: ({ patience }) => patience,
    async remove(plan, tools) {
      const claims = readClaims(await tools.bookmark.read());
      if (claims === undefined || !hasClaims(claims)) return;
      await removeFrom(links, plan, tools).catch((error: unknown) => {
        const wayOut = 'to leave its queue and exchange where they are, delete the Secret';
        const message = `${messageOf(error)}; ${wayOut}`;
        throw new PlatformError('BACKEND_REFUSED', message, { retryable: true, cause: error });
      });
    },
  };
}

async function removeFrom(
  links: ReadLinks,
  plan: RabbitmqPlan,
  tools: Omit<SourceTools, 'deliver'>,
): Promise<void> {
  const lease = await links.lease(plan.address);
  const requests = new Requests(lease.link);
  try {
    await (await Origin.open(requests, plan, tools)).remove();
  } finally {
    await requests.close();
    await lease.release();
  }
}

/** Reads its queue, by one connection after the other, until it is closed. */
class RabbitmqQueue implements RunningSource {
  readonly #plan: RabbitmqPlan;
  readonly #tools: SourceTools;
  readonly #links: ReadLinks;
  readonly #lookEveryMs: number;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;
  #failures = 0;

  constructor(plan: RabbitmqPlan, tools: SourceTools, links: ReadLinks, lookEveryMs: number) {
    this.#plan = plan;
    this.#tools = tools;
    this.#links = links;
    this.#lookEveryMs = lookEveryMs;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#tools;
    const { signal } = this.#stop;
    this.#tools.tell({ kind: 'starting' });
    while (!signal.aborted) {
      const failing = await this.#round();
      if (failing === undefined) return;
      this.#tools.tell(failing);
      const pauseMs = growingPauseMs(this.#failures, PAUSE, random);
      this.#failures += 1;
      await clock.until(clock.nowMs() + pauseMs, signal);
    }
  }

  /** One connection's life; why it was over, or undefined: the source was closed. */
  async #round(): Promise<Failing | undefined> {
    let lease: Lease | undefined;
    try {
      lease = await this.#links.lease(this.#plan.address);
      const failing = await this.#serve(lease);
      const { lost } = lease.link;
      return failing !== undefined && lost.aborted ? this.#failing(lost.reason) : failing;
    } catch (error) {
      return this.#failing(lease?.link.lost.aborted === true ? lease.link.lost.reason : error);
    } finally {
      await lease?.release();
    }
  }

  async #serve({ link }: Lease): Promise<Failing | undefined> {
    if (this.#stop.signal.aborted) return undefined;
    const absent = await this.#asking(link, (origin) => origin.ready());
    if (absent !== undefined) return absent;
    const reading = await Reading.open(link, this.#plan, { ...this.#tools, closing: this.#stop.signal });
    try {
      this.#tools.tell({ kind: 'running' });
      this.#failures = 0;
      return await this.#watch(link, reading);
    } finally {
      await reading.close();
    }
  }

  /** Until the reading is over or the source is closed. What it needs in the broker is looked after meanwhile. */
  async #watch(link: Lease['link'], reading: Reading): Promise<Failing | undefined> {
    const { clock } = this.#tools;
    const over = new AbortController();
    let why: PlatformError | undefined;
    void reading.over.then((reason) => {
      why = reason;
      over.abort();
    });
    const signal = AbortSignal.any([over.signal, this.#stop.signal]);
    while (!signal.aborted) {
      await clock.until(clock.nowMs() + this.#lookEveryMs, signal);
      if (signal.aborted) break;
      const isBound = await this.#asking(link, (origin) => origin.isBound());
      const absent = isBound ? undefined : await this.#asking(link, (origin) => origin.ready());
      if (absent !== undefined) return absent;
    }
    if (why === undefined) return undefined;
    const { queue } = this.#plan.from;
    return failing('ResourcesReady', 'QueueLost', `queue ${queue}: ${why.message}`);
  }

  async #asking<T>(link: Lease['link'], ask: (origin: Origin) => Promise<T>): Promise<T> {
    const requests = new Requests(link);
    try {
      return await ask(await Origin.open(requests, this.#plan, this.#tools));
    } finally {
      await requests.close();
    }
  }

  #failing(error: unknown): Failing {
    const isRefusal = error instanceof PlatformError && error.code === 'BACKEND_REFUSED';
    const reason = isRefusal ? 'BrokerRefused' : 'BrokerUnreachable';
    return failing('Deployed', reason, messageOf(error));
  }
}

function failing(condition: string, reason: string, message: string): Failing {
  return { kind: 'failing', condition, reason, message };
}
