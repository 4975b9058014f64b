import { messageOf } from '../../base/errors.ts';
import type { Requests } from '../../clients/rabbitmq/requests.ts';
import { PRECONDITION_FAILED, replyCodeOf } from '../../clients/rabbitmq/within.ts';
import type { SourceState, SourceTools } from '../source.ts';
import { hasClaims, noClaims, readClaims, writeClaims, type Claims } from './claims.ts';
import type { RabbitmqPlan } from './plan.ts';

export type Failing = Extract<SourceState, { kind: 'failing' }>;
type Tools = Pick<SourceTools, 'bookmark' | 'warn'>;

/** As for channels: no number of deliveries takes a message away, and one that comes back keeps its place. */
const DELIVERY_LIMIT = 2 ** 30;
/** Each of them brings whatever is published to a headers or fanout exchange; `#` that of a topic exchange too, and the empty one
 *  of a direct exchange what is published without a key. */
const KEYS = ['', '#'];
const LEFT = 'OriginNotCleaned';

/**
 * The exchange and the queue of one source.
 *   B1  what is predeclared is looked for, and neither made nor changed.
 *   B2  what is not there is made, and claimed before that; what is there is used as it is, and is not ours.
 *   B3  only what is claimed is removed, and not while somebody else uses it.
 */
export class Origin {
  readonly #requests: Requests;
  readonly #plan: RabbitmqPlan;
  readonly #tools: Tools;
  readonly #where: string;
  #claims: Claims;

  private constructor(requests: Requests, plan: RabbitmqPlan, tools: Tools, claims: Claims) {
    this.#requests = requests;
    this.#plan = plan;
    this.#tools = tools;
    this.#where = claims.where;
    this.#claims = claims;
  }

  static async open(requests: Requests, plan: RabbitmqPlan, tools: Tools): Promise<Origin> {
    const where = whereOf(plan);
    const known = readClaims(await tools.bookmark.read());
    if (known !== undefined && known.where !== where && hasClaims(known))
      tools.warn(LEFT, `what was made for the source in RabbitMQ at ${known.where} is left there`);
    return new Origin(requests, plan, tools, known?.where === where ? known : noClaims(where));
  }

  /** Undefined: all is there. */
  async ready(): Promise<Failing | undefined> {
    const { exchange, isPredeclared } = this.#plan;
    if (isPredeclared || exchange === undefined) return this.#look();
    return (
      (await attempt('ExchangeReady', 'ExchangeFailed', () => this.#makeExchange(exchange))) ??
      (await attempt('ResourcesReady', 'QueueFailed', () => this.#makeQueue())) ??
      (await attempt('ResourcesReady', 'BindingFailed', () => this.#bind(exchange)))
    );
  }

  /** Asks no more than has to be asked often: binding anew fails when the exchange or the queue is gone. */
  async isBound(): Promise<boolean> {
    const { exchange, isPredeclared } = this.#plan;
    if (isPredeclared || exchange === undefined) return true;
    return (await attempt('ResourcesReady', 'BindingFailed', () => this.#bind(exchange))) === undefined;
  }

  /** Rejects while it cannot be done. */
  async remove(): Promise<void> {
    const { exchange = '', from } = this.#plan;
    const isRemoved = this.#claims.queue && (await this.#removeQueue(from.queue));
    if (this.#claims.binding && !isRemoved) await this.#unbind(exchange);
    if (this.#claims.exchange) await this.#removeExchange(exchange);
  }

  async #look(): Promise<Failing | undefined> {
    const { exchange, from } = this.#plan;
    const isThere = exchange === undefined || (await this.#requests.hasExchange(exchange));
    if (!isThere) return this.#absent('ExchangeReady', 'ExchangeNotFound', `exchange ${exchange}`);
    const counts = await this.#requests.count(from.queue);
    return counts === undefined
      ? this.#absent('ResourcesReady', 'QueueNotFound', `queue ${from.queue}`)
      : undefined;
  }

  #absent(condition: string, reason: string, what: string): Failing {
    const message = `there is no ${what} in RabbitMQ at ${this.#where}; the source says that it is predeclared, so it has to be made there`;
    return { kind: 'failing', condition, reason, message };
  }

  async #makeExchange(exchange: string): Promise<void> {
    if (await this.#requests.hasExchange(exchange)) return; // B2
    await this.#claim({ exchange: true });
    await this.#requests.run(`making exchange ${exchange}`, (channel) =>
      channel.assertExchange(exchange, 'headers', { durable: true }),
    );
  }

  async #makeQueue(): Promise<void> {
    const { queue } = this.#plan.from;
    if ((await this.#requests.count(queue)) !== undefined) return; // B2
    const wasOurs = this.#claims.queue;
    await this.#claim({ queue: true });
    const kept = { 'x-queue-type': 'quorum', 'x-delivery-limit': DELIVERY_LIMIT };
    await this.#requests.run(`making queue ${queue}`, (channel) =>
      channel.assertQueue(queue, { durable: true, arguments: kept }),
    );
    if (wasOurs)
      this.#tools.warn('QueueMadeAnew', `queue ${queue} was deleted, with what was in it; it is made anew`);
  }

  async #bind(exchange: string): Promise<void> {
    const { queue } = this.#plan.from;
    await this.#claim({ binding: true });
    for (const key of KEYS)
      await this.#requests.run(`binding ${queue} to ${exchange}`, (channel) =>
        channel.bindQueue(queue, exchange, key, this.#bindingArguments()),
      );
  }

  async #unbind(exchange: string): Promise<void> {
    const { queue } = this.#plan.from;
    for (const key of KEYS)
      await this.#requests.run(`unbinding ${queue} from ${exchange}`, (channel) =>
        channel.unbindQueue(queue, exchange, key, this.#bindingArguments()),
      );
  }

  /** Every message, and a mark that keeps these bindings apart from those of others: names with x- match nothing. */
  #bindingArguments(): Record<string, string> {
    return { 'x-match': 'all', 'x-millrace-source': this.#plan.uid };
  }

  /** A quorum queue cannot be deleted on the condition that nobody reads it, so that is asked before. */
  async #removeQueue(queue: string): Promise<boolean> {
    const counts = await this.#requests.count(queue);
    if (counts === undefined) return true;
    if (counts.consumers > 0) {
      this.#tools.warn(LEFT, `queue ${queue} is left where it is: somebody else reads it`);
      return false;
    }
    const lost = await this.#requests.deleteQueue(queue);
    if (lost > 0) this.#tools.warn('MessagesRemoved', `queue ${queue} went with ${lost} messages in it`);
    return true;
  }

  async #removeExchange(exchange: string): Promise<void> {
    const what = `deleting exchange ${exchange}`;
    const deleting = this.#requests.run(what, (channel) =>
      channel.deleteExchange(exchange, { ifUnused: true }),
    );
    await deleting.catch((error: unknown) => {
      if (replyCodeOf(error) !== PRECONDITION_FAILED) throw error;
      this.#tools.warn(LEFT, `exchange ${exchange} is left where it is: other queues are bound to it`);
    });
  }

  async #claim(more: Partial<Claims>): Promise<void> {
    const claims = { ...this.#claims, ...more };
    if (writeClaims(claims) === writeClaims(this.#claims)) return;
    await this.#tools.bookmark.write(writeClaims(claims));
    this.#claims = claims;
  }
}

/** How people call the place; the user is no part of it, so that another one may be put in. */
export function whereOf({ address: { host, port, vhost } }: RabbitmqPlan): string {
  return `${host}:${port}, virtual host ${decodeURIComponent(vhost)}`;
}

async function attempt(
  condition: string,
  reason: string,
  act: () => Promise<void>,
): Promise<Failing | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return { kind: 'failing', condition, reason, message: messageOf(error) };
  }
}
