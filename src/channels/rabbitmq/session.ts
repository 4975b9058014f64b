import type { Consumer, GroupOptions } from '../channel.ts';
import type { Desk } from './desk.ts';

/** One group being served: in order, or not. */
export interface Session {
  readonly desk: Desk;
  /** The first time it starts; later it exchanges consumer and options. */
  serve(options: GroupOptions, consumer: Consumer): Promise<void>;
  /**
   * No further offers; what is at hand goes back once those under way have ended, or the grace time is over. `others`: who
   * may take over at once; with nobody, consumers go together with what they had, so that it can be counted.
   */
  close(graceMs: number, others: 'may come' | 'nobody'): Promise<void>;
}

/** A message that is not answered for half an hour closes the AMQP channel (`consumer_timeout` of RabbitMQ). */
export const RENEW_AFTER_MS = 10 * 60_000;
export const RENEW_EVERY_MS = 60_000;
