import type { Clock } from '../../base/clock.ts';
import type { KafkaConnection } from './connection.ts';

/** Two questions without an answer, and it is lost. */
export const PULSE_MAX_MS = 3000;

/** Whether a cluster is there: asked every so often, and at once when a connection to it was cut. */
export class Pulse {
  readonly #connection: KafkaConnection;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #onLost: (error: unknown) => void;
  readonly #otherQuestion: (() => Promise<void>) | undefined;
  readonly #end = new AbortController();
  #asking: Promise<void> | undefined;

  /** `otherQuestion`: what is asked in place of the versions that a broker knows, which is a long answer; rejects when there is none. */
  constructor(
    connection: KafkaConnection,
    clock: Clock,
    everyMs: number,
    onLost: (error: unknown) => void,
    otherQuestion?: () => Promise<void>,
  ) {
    this.#connection = connection;
    this.#clock = clock;
    this.#everyMs = everyMs;
    this.#onLost = onLost;
    this.#otherQuestion = otherQuestion;
  }

  start(): void {
    void this.#askForEver();
  }

  stop(): void {
    this.#end.abort();
  }

  ask(): Promise<void> {
    if (this.#end.signal.aborted) return Promise.resolve();
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async #askForEver(): Promise<void> {
    while (!this.#end.signal.aborted) {
      await this.ask();
      await this.#clock.until(this.#clock.nowMs() + this.#everyMs, this.#end.signal);
    }
  }

  async #ask(): Promise<void> {
    const done = new AbortController();
    const late = this.#clock.until(this.#clock.nowMs() + PULSE_MAX_MS, done.signal).then(() => {
      throw new Error(`no answer within ${PULSE_MAX_MS} ms`);
    });
    late.catch(() => undefined); // heard below, or too late to matter
    const answered = this.#question().catch(() => this.#question()); // the first may have met the cut itself
    answered.catch(() => undefined);
    try {
      await Promise.race([answered, late]);
    } catch (error) {
      if (this.#end.signal.aborted) return;
      this.stop();
      this.#onLost(error);
    } finally {
      done.abort();
    }
  }

  /** Any answer will do. */
  async #question(): Promise<void> {
    if (this.#otherQuestion !== undefined) return this.#otherQuestion();
    await (await this.#connection.any()).apiVersions();
  }
}
