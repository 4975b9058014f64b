import { createHash } from 'node:crypto';
import { LADDER_MS } from './ladder.ts';

/** What one group has in the broker; each is a queue. */
export type QueueNames = {
  /** What the exchange brings; the group's backlog. */
  readonly main: string;
  /** What is to be offered again: a copy that is due, or nearly. */
  readonly retry: string;
  /** What could not be delivered and has no dead-letter sink. */
  readonly dead: string;
  /** Whose turn it is to serve an ordered group. */
  readonly turn: string;
  /** What begins so is there for a moment only, see Topology. */
  readonly settling: string;
  /** Where copies wait, by the number of their rung. */
  readonly waits: readonly string[];
};

/** AMQP 0-9-1, 3.1.1: a name is a short string. */
export const NAME_MAX = 255;
const DIGEST = 16;
export const SETTLING_DIGITS = 8;

export function exchangeNameOf({ namespace, name }: { namespace: string; name: string }): string {
  return fit(`knative-messaging.${namespace}.${name}`, NAME_MAX);
}

/**
 * `<exchange>:<group>` and, behind another colon, what it is for. Neither Kubernetes names nor an encoded group hold a
 * colon, so no two groups meet. Two platforms that name exchange and group alike mean the same queues.
 */
export function queueNamesOf(exchange: string, group: string): QueueNames {
  const longest = Math.max(
    ...LADDER_MS.map((ms) => `:wait:${ms}ms`.length),
    ':settling:'.length + SETTLING_DIGITS,
  );
  const base = exchange.startsWith('amq.') ? `knative-messaging.${exchange}` : exchange; // `amq.` is the broker's own
  const main = fit(`${base}:${encodeURIComponent(group)}`, NAME_MAX - longest);
  return {
    main,
    retry: `${main}:retry`,
    dead: `${main}:dead`,
    turn: `${main}:turn`,
    settling: `${main}:settling:`,
    waits: LADDER_MS.map((ms) => `${main}:wait:${ms}ms`),
  };
}

/** A name that is too long ends in a digest of the whole. */
function fit(name: string, max: number): string {
  if (Buffer.byteLength(name) <= max) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, DIGEST);
  return `${Buffer.from(name)
    .subarray(0, max - DIGEST - 1)
    .toString('latin1')}.${digest}`;
}
