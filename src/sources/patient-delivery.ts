import { backoffDelayMs, growingPauseMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf, PlatformError } from '../base/errors.ts';
import type { CloudEvent } from '../events/event.ts';
import type { EventSink } from '../events/sink.ts';
import { publishSignal } from '../telemetry/signals.ts';
import type { Patience, SourceTools } from './source.ts';

export type PatientOptions = {
  readonly sink: EventSink;
  readonly clock: Clock;
  readonly random: () => number;
  readonly origin: string; // Kind/namespace/name, as signals name it
  readonly sinkUrl: string;
  readonly extensions: ReadonlyMap<string, string>;
  readonly patience?: Patience | undefined;
  /** The sink has not taken an event, and why; undefined: it takes them again. */
  readonly onTrouble: (message: string | undefined) => void;
};

const PAUSE = { firstMs: 100, maxMs: 30_000 };

/**
 * Delivers events of a source to its sink until it takes them (SourceTools.deliver).
 *   P1  a refusal that another try may mend is tried again for ever, after a growing pause of at most 30 seconds.
 *       The source may bound the tries, and say the pauses.
 *   P2  one that no try will mend, or that was tried often enough, is told once, by `source.refused`, and the source goes on.
 */
export function patientDelivery(options: PatientOptions): SourceTools['deliver'] {
  const { sink, clock, onTrouble, patience } = options;
  const retryMax = patience?.retryMax ?? Infinity;
  return async (made, signal, how) => {
    const event = withExtensions(made, options.extensions);
    for (let failures = 0; ; failures += 1) {
      signal.throwIfAborted();
      try {
        await sink.send(event, signal);
        if (failures > 0) onTrouble(undefined);
        tellSent(options, event, how);
        return 'taken';
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof PlatformError)) throw error;
        if (!error.retryable) return refused(options, error); // P2
        if (failures >= retryMax) {
          if (failures > 0) onTrouble(undefined);
          return refused(options, givenUp(error, failures + 1), 503); // P2
        }
        onTrouble(messageOf(error));
        await clock.until(clock.nowMs() + pauseMs(options, failures), signal); // P1
      }
    }
  };
}

function pauseMs({ random, patience }: PatientOptions, failures: number): number {
  if (patience?.backoff !== undefined) return backoffDelayMs(patience.backoff, failures);
  return growingPauseMs(failures, PAUSE, random);
}

function givenUp(error: PlatformError, tries: number): PlatformError {
  const message = `given up after ${tries} ${tries === 1 ? 'try' : 'tries'}, as spec.delivery says: ${error.message}`;
  return new PlatformError(error.code, message, { retryable: false, cause: error });
}

function refused(
  { clock, origin }: PatientOptions,
  error: PlatformError,
  code = error.code === 'EVENT_TOO_LARGE' ? 413 : 400,
): 'refused' {
  publishSignal('source.refused', { atMs: clock.nowMs(), origin, code, reason: error.message });
  return 'refused';
}

function tellSent(
  { clock, origin, sinkUrl }: PatientOptions,
  { attributes }: CloudEvent,
  how: 'fetched' | undefined,
): void {
  const read = (name: string): string => attributes.get(name) ?? '';
  const key = { id: read('id'), source: read('source'), type: read('type') };
  const fetched = how === 'fetched' ? ({ fetched: true } as const) : {};
  publishSignal('source.sent', { ...key, atMs: clock.nowMs(), origin, sinkUrl, ...fetched });
}

/** `ceOverrides.extensions`: they replace what is there (knative pkg/apis/duck/v1/source_types.go). */
function withExtensions(event: CloudEvent, extensions: ReadonlyMap<string, string>): CloudEvent {
  if (extensions.size === 0) return event;
  return { ...event, attributes: new Map([...event.attributes, ...extensions]) };
}
