import { growingPauseMs } from '../base/backoff.ts';
import { messageOf } from '../base/errors.ts';
import type { RunningSource, SourceTools } from './source.ts';

/** What is wrong at the origin, as a condition says it. */
export type OriginFault = { readonly reason: string; readonly message: string };

export type Polling = {
  /** From the end of one look to the next; up to a tenth of it is left out by chance, so that many do not look together. */
  readonly everyMs: number;
  /** The condition that speaks of the origin. */
  readonly condition: string;
  /**
   * Reads what there is, delivers what is new, and notes it: A2, A3 and A6 are its own to keep. What is wrong at the
   * origin is its value; a rejection counts as an origin that cannot be reached.
   */
  readonly look: (signal: AbortSignal) => Promise<OriginFault | undefined>;
};

const PAUSE = { firstMs: 250, maxMs: 30_000 };

/**
 * A source that looks at its origin again and again, one look at a time. It keeps of the port's promises
 *   A1  the first look begins behind open();
 *   A4  while looks fail, that is told, and tried again after a growing pause;
 *   A5  close() ends the look that is under way, and waits for it.
 */
export function polling({ everyMs, condition, look }: Polling, tools: SourceTools): RunningSource {
  const { clock, random } = tools;
  const stop = new AbortController();
  const { signal } = stop;
  const run = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted;) {
      const fault = await lookOnce(look, signal);
      if (signal.aborted) return;
      tools.tell(fault === undefined ? { kind: 'running' } : { kind: 'failing', condition, ...fault });
      const pauseMs =
        fault === undefined ? everyMs * (1 - random() / 10) : growingPauseMs(failures, PAUSE, random);
      failures = fault === undefined ? 0 : failures + 1;
      await clock.until(clock.nowMs() + pauseMs, signal);
    }
  };
  const running = run();
  return {
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function lookOnce(look: Polling['look'], signal: AbortSignal): Promise<OriginFault | undefined> {
  try {
    return await look(signal);
  } catch (error) {
    return { reason: 'OriginUnreachable', message: messageOf(error) };
  }
}
