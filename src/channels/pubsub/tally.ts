import type { CloudEvent } from '../../events/event.ts';

/** Says, on a message, which process has counted it, and when it was accepted. */
export const TALLY = 'millrace-by';

/**
 * What a group is owed, as far as this process has seen: the API of Pub/Sub has no figures.
 *   B1  what this process has published, or taken and not given back, counts until it is done, wherever it waits.
 *   B2  what others have published, or a former process, counts from when it is first taken.
 *   B3  of a group that others share, only what is at hand counts: what they have taken is never heard of again.
 * Nothing is remembered of a single event: the message itself says who has counted it.
 */
export class Tally {
  readonly #instance: string;
  readonly #bySecond = new Map<number, number>(); // events, by the second in which they were accepted
  events = 0;
  bytes = 0;
  /** Given to the retry topic and not taken again. */
  parked = 0;
  dead = 0;

  constructor(instance: string) {
    this.#instance = instance;
  }

  tag(acceptedMs: number): string {
    return `${this.#instance}.${acceptedMs.toString(36)}`;
  }

  /** When it was accepted, if this process has counted it. */
  countedMs(tag: string | undefined): number | undefined {
    const [instance, written = ''] = (tag ?? '').split('.');
    return instance === this.#instance ? Number.parseInt(written, 36) : undefined;
  }

  add(acceptedMs: number, bytes: number): void {
    const second = Math.floor(acceptedMs / 1000);
    this.#bySecond.set(second, (this.#bySecond.get(second) ?? 0) + 1);
    this.events += 1;
    this.bytes += bytes;
  }

  drop(acceptedMs: number, bytes: number): void {
    const second = Math.floor(acceptedMs / 1000);
    const left = (this.#bySecond.get(second) ?? 0) - 1;
    if (left > 0) this.#bySecond.set(second, left);
    else this.#bySecond.delete(second);
    this.events = Math.max(0, this.events - 1);
    this.bytes = this.events === 0 ? 0 : Math.max(0, this.bytes - bytes);
  }

  get oldestMs(): number | undefined {
    if (this.events === 0) return undefined;
    let oldest: number | undefined;
    for (const second of this.#bySecond.keys()) if (oldest === undefined || second < oldest) oldest = second;
    return oldest === undefined ? undefined : oldest * 1000;
  }
}

/** What an event counts, in a message or in memory. */
export function bytesOf({ attributes, body }: CloudEvent): number {
  let bytes = body.byteLength;
  for (const [name, value] of attributes) bytes += name.length + value.length;
  return bytes;
}
