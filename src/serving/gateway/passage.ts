import type { IncomingMessage } from 'node:http';
import type { Duplex, Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { isHeard, publishSignal, type Wake } from '../../telemetry/signals.ts';
import type { ReadySlot } from '../activator/slot.ts';
import type { Lease } from '../activator/waiting.ts';
import { AskingExchange, needsAsking } from './asking-exchange.ts';
import type { ExchangeEnd, ExchangeOptions } from './exchange.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';
import type { Inbound, Request } from './inbound.ts';
import type { InstanceLinks } from './instance-links.ts';
import type { Origin } from './origin.ts';
import { Patience } from './patience.ts';
import type { GatewayPool } from './pool.ts';
import type { LoggedRequest, RequestLog } from './request-log.ts';
import { isGone, NONE_READY, refusalOf, type Refusal } from './refusal.ts';
import type { Taker } from './taker.ts';
import { endSocket, passUpgrade } from './upgrade.ts';

export type PassageTools = {
  readonly clock: Clock;
  readonly links: InstanceLinks;
  readonly poolFor: (revision: string) => GatewayPool | undefined;
  readonly requestLog?: RequestLog | undefined;
};

/** A place at an instance, held for one request. */
type Place = Lease & {
  readonly pool: GatewayPool;
  readonly isUpgraded?: boolean;
  firstByteMs?: number; // since the request came; of one that woke its instance
};

/** So often a request goes on to another instance when it was refused a connection. */
const MOVES_MAX = 3;

/** One request on its way through: to a place at an instance, to the instance, and back; told once however it ends. */
export class Passage {
  readonly #headers: Request['headers'];
  readonly #tools: PassageTools;
  /** Draws a taker from the route as it is now. */
  readonly #choose: () => Taker | undefined;
  #taker: Taker;
  #moves = 0;
  readonly #atMs: number;

  constructor(
    headers: Request['headers'],
    taker: Taker,
    choose: () => Taker | undefined,
    tools: PassageTools,
  ) {
    this.#headers = headers;
    this.#taker = taker;
    this.#choose = choose;
    this.#tools = tools;
    this.#atMs = tools.clock.nowMs();
  }

  answer(inbound: Inbound): void {
    const pool = this.#tools.poolFor(this.#taker.revision);
    if (pool === undefined) return this.#refuse(inbound, NONE_READY);
    const slot = pool.tryAcquire();
    if (slot === undefined) void this.#wait(inbound, pool);
    else this.#forward(inbound, { pool, slot, wake: undefined });
  }

  async upgrade(request: IncomingMessage, origin: Origin, socket: Duplex, head: Buffer): Promise<void> {
    const pool = this.#tools.poolFor(this.#taker.revision);
    const place = pool === undefined ? NONE_READY : await this.#place(socket, pool);
    if ('code' in place) {
      this.#tell(place.code);
      return endSocket(socket, place);
    }
    const { slot } = place;
    const [leftMs, added, { plan }] = [this.#leftMs(place.pool), this.#taker.addedHeaders, place.pool];
    const elsewhere = this.#elsewhere(place, () => void this.upgrade(request, origin, socket, head));
    const upgraded = { ...place, isUpgraded: false };
    const joined = (): void => {
      upgraded.isUpgraded = true;
      place.pool.upgraded(slot);
    };
    const upgrade = { request, origin, added, socket, head, slot, plan, leftMs, elsewhere, joined };
    const { method = 'GET', url: target = '/', headers, rawHeaders } = request;
    const asked = { method, target, host: headers.host ?? '', headers, rawHeaders, origin };
    passUpgrade(upgrade, this.#done(upgraded, asked));
  }

  /** No instance has room, or there is none: the request is held, for as long as it may take in all. */
  async #wait(inbound: Inbound, pool: GatewayPool): Promise<void> {
    const place = await this.#place(inbound.stream, pool);
    if ('code' in place) this.#refuse(inbound, place);
    else this.#forward(inbound, place);
  }

  /** A place at an instance, or why there is none. Where the revision goes meanwhile, the route says who takes over. */
  async #place(asker: Writable, pool: GatewayPool): Promise<Place | Refusal> {
    const patience = new Patience(this.#leftMs(pool), asker);
    try {
      const lease = await pool.acquire(patience.signal);
      if (patience.refusal === undefined) return { pool, ...lease };
      pool.release(lease.slot);
      return patience.refusal;
    } catch (error) {
      if (patience.refusal !== undefined) return patience.refusal;
      const next = isGone(error) ? this.#reroute() : undefined;
      return next === undefined ? refusalOf(error, pool) : await this.#place(asker, next);
    } finally {
      patience.end();
    }
  }

  #reroute(): GatewayPool | undefined {
    const taker = this.#choose();
    if (taker === undefined || taker.revision === this.#taker.revision) return undefined;
    this.#taker = taker;
    return this.#tools.poolFor(taker.revision);
  }

  #forward(inbound: Inbound, place: Place): void {
    const { pool, slot } = place;
    const { plan } = pool;
    const { instance } = slot.running;
    const options = {
      inbound,
      added: this.#taker.addedHeaders,
      plan,
      leftMs: this.#leftMs(pool),
      ended: instance.ended,
      elsewhere: this.#elsewhere(place, () => this.answer(inbound)),
      begun: this.#begunOf(place),
      done: this.#done(place, inbound),
    };
    if (plan.protocol === 'http1') return sendByHttp1(slot, options);
    const link = this.#tools.links.to(instance);
    if (plan.protocol === 'h2c') return Http2Exchange.send(link, options);
    if (link.isSpoken === false) return sendByHttp1(slot, options);
    Http2Exchange.send(link, { ...options, otherwise: () => sendByHttp1(slot, options) });
  }

  #done(place: Place, request: LoggedRequest['request']): (end: ExchangeEnd) => void {
    const { pool, slot } = place;
    return ({ code, isSuspect, bytes = 0 }) => {
      if (isSuspect) pool.suspect(slot);
      pool.release(slot, place.isUpgraded);
      const { wake, firstByteMs = 0 } = place;
      this.#tell(code, slot.id, wake && { ...wake, firstByteMs });
      this.#log(request, slot.id, code, bytes);
    };
  }

  /** When an answer begins is told of wakes only: others have it in what they took. */
  #begunOf(place: Place): (() => void) | undefined {
    if (place.wake === undefined) return undefined;
    return () => (place.firstByteMs = this.#tools.clock.nowMs() - this.#atMs);
  }

  /** The instance refused the connection: another is asked, a few times. */
  #elsewhere({ pool, slot }: Place, again: () => void): (() => void) | undefined {
    if (this.#moves >= MOVES_MAX) return undefined;
    return () => {
      this.#moves += 1;
      pool.suspect(slot);
      pool.release(slot);
      again();
    };
  }

  #leftMs({ plan }: GatewayPool): number {
    return Math.max(1, plan.timeoutMs - (this.#tools.clock.nowMs() - this.#atMs));
  }

  #refuse(inbound: Inbound, refusal: Refusal): void {
    if (!inbound.stream.destroyed) inbound.refuse(refusal);
    this.#tell(refusal.code);
  }

  #log(request: LoggedRequest['request'], instance: string, code: number, bytes: number): void {
    const log = this.#tools.requestLog;
    if (log?.isOn !== true) return;
    const tookMs = this.#tools.clock.nowMs() - this.#atMs;
    log.write({ request, revision: this.#taker.revision, instance, code, bytes, tookMs });
  }

  #tell(code: number, instance = '', wake?: Wake): void {
    if (!isHeard('serving.answered')) return;
    const read = (name: string): string => String(this.#headers[name] ?? '');
    const event = { id: read('ce-id'), source: read('ce-source'), type: read('ce-type') };
    const [atMs, tookMs] = [this.#atMs, this.#tools.clock.nowMs() - this.#atMs];
    publishSignal('serving.answered', {
      ...event,
      revision: this.#taker.revision,
      instance,
      code,
      wake,
      atMs,
      tookMs,
    });
  }
}

function sendByHttp1({ running }: ReadySlot, options: ExchangeOptions): void {
  if (needsAsking(options.inbound)) AskingExchange.send(running.instance.port, options);
  else Http1Exchange.send(running.client, options);
}
