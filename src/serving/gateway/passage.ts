import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { isHeard, publishSignal, type Wake } from '../../telemetry/signals.ts';
import type { RevisionPool } from '../activator/revision-pool.ts';
import type { ReadySlot } from '../activator/slot.ts';
import type { AddedHeaders } from '../plan.ts';
import { AskingExchange, needsAsking } from './asking-exchange.ts';
import type { ExchangeEnd, ExchangeOptions } from './exchange.ts';
import { Http1Exchange } from './http1-exchange.ts';
import { Http2Exchange } from './http2-exchange.ts';
import type { Inbound, Request } from './inbound.ts';
import type { InstanceLinks } from './instance-links.ts';
import { Patience } from './patience.ts';
import { NONE_READY, refusalOf, type Refusal } from './refusal.ts';
import { endSocket, passUpgrade } from './upgrade.ts';

/** Who takes a request, and what it is given on its way. */
export type Taker = { readonly revision: string; readonly addedHeaders: AddedHeaders | undefined };
export type PassageTools = { readonly clock: Clock; readonly links: InstanceLinks };

/** One request on its way through: to a place at an instance, to the instance, and back; told once however it ends. */
export class Passage {
  readonly #headers: Request['headers'];
  readonly #taker: Taker;
  readonly #tools: PassageTools;
  readonly #atMs: number;

  constructor(headers: Request['headers'], taker: Taker, tools: PassageTools) {
    this.#headers = headers;
    this.#taker = taker;
    this.#tools = tools;
    this.#atMs = tools.clock.nowMs();
  }

  answer(inbound: Inbound, pool: RevisionPool | undefined): void {
    if (pool === undefined) return this.#refuse(inbound, NONE_READY);
    const slot = pool.tryAcquire();
    if (slot === undefined) void this.#wait(inbound, pool);
    else this.#forward(inbound, pool, slot, undefined);
  }

  async upgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    pool: RevisionPool | undefined,
  ): Promise<void> {
    if (pool === undefined) {
      this.#tell(NONE_READY.code);
      return endSocket(socket, NONE_READY);
    }
    const patience = new Patience(pool.plan.timeoutMs, socket);
    try {
      const { slot, wake } = await pool.acquire(patience.signal);
      const leftMs = this.#leftMs(pool);
      const added = this.#taker.addedHeaders;
      const upgrade = { request, added, socket, head, slot, plan: pool.plan, leftMs };
      passUpgrade(upgrade, this.#done(pool, slot, wake));
    } catch (error) {
      const failed = patience.refusal ?? refusalOf(error, pool);
      this.#tell(failed.code);
      endSocket(socket, failed);
    } finally {
      patience.end();
    }
  }

  /** No instance has room, or there is none: the request is held, for as long as it may take in all. */
  async #wait(inbound: Inbound, pool: RevisionPool): Promise<void> {
    const patience = new Patience(pool.plan.timeoutMs, inbound.stream);
    try {
      const { slot, wake } = await pool.acquire(patience.signal);
      if (patience.refusal !== undefined) {
        pool.release(slot);
        this.#refuse(inbound, patience.refusal);
      } else this.#forward(inbound, pool, slot, wake);
    } catch (error) {
      this.#refuse(inbound, patience.refusal ?? refusalOf(error, pool));
    } finally {
      patience.end();
    }
  }

  #forward(inbound: Inbound, pool: RevisionPool, slot: ReadySlot, wake: Wake | undefined): void {
    const { plan } = pool;
    const [leftMs, done] = [this.#leftMs(pool), this.#done(pool, slot, wake)];
    const options = { inbound, added: this.#taker.addedHeaders, plan, leftMs, done };
    if (plan.protocol === 'http1') return sendByHttp1(slot, options);
    const link = this.#tools.links.to(slot.running.instance);
    if (plan.protocol === 'h2c') return Http2Exchange.send(link, options);
    if (link.isSpoken === false) return sendByHttp1(slot, options);
    Http2Exchange.send(link, { ...options, otherwise: () => sendByHttp1(slot, options) });
  }

  #done(pool: RevisionPool, slot: ReadySlot, wake: Wake | undefined): (end: ExchangeEnd) => void {
    return ({ code, isSuspect }) => {
      if (isSuspect) pool.suspect(slot);
      pool.release(slot);
      this.#tell(code, slot.id, wake);
    };
  }

  #leftMs({ plan }: RevisionPool): number {
    return Math.max(1, plan.timeoutMs - (this.#tools.clock.nowMs() - this.#atMs));
  }

  #refuse(inbound: Inbound, refusal: Refusal): void {
    if (!inbound.stream.destroyed) inbound.refuse(refusal);
    this.#tell(refusal.code);
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
