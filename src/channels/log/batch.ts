import type { CloudEvent } from '../../events/event.ts';
import type { PlatformError } from '../../base/errors.ts';
import type { LogChannel } from './log-channel.ts';
import { CHANNEL_SPAN, type PackedEvents } from './protocol.ts';

/** One event on its way into the log, and who waits for it. */
export type Pending = {
  readonly channel: LogChannel;
  readonly event: CloudEvent;
  readonly head: Uint8Array;
  readonly bytes: number;
  readonly atMs: number;
  readonly resolve: () => void;
  readonly reject: (error: PlatformError) => void;
};

const EVENTS_MAX = 1024;
const BYTES_MAX = 8 * 1024 * 1024;
/** Above this an event gets a commit of its own, so that small ones do not wait for its bytes (design decision 3). */
const ALONE_BYTES = 1024 * 1024;

/** How many of the pending events, from the first, share the next commit. */
export function batchLength(pending: readonly Pending[]): number {
  let bytes = 0;
  for (const [count, { bytes: size }] of pending.entries()) {
    const isAlone = size > ALONE_BYTES;
    if (count >= EVENTS_MAX || (count > 0 && (isAlone || bytes + size > BYTES_MAX))) return count;
    if (isAlone) return 1;
    bytes += size;
  }
  return pending.length;
}

/** Gives each event its sequence, and lays heads and bodies one after the other into one buffer to hand over. */
export function pack(batch: readonly Pending[]): {
  readonly packed: PackedEvents;
  readonly seqs: readonly number[];
  readonly buffer: ArrayBuffer;
} {
  const count = batch.length;
  const buffer = new ArrayBuffer(batch.reduce((sum, each) => sum + each.bytes, 0));
  const bytes = new Uint8Array(buffer);
  const rows = new Float64Array(count);
  const atMs = new Float64Array(count);
  const totals = new Float64Array(count);
  const headLengths = new Uint32Array(count);
  const bodyLengths = new Uint32Array(count);
  const seqs: number[] = [];
  let at = 0;
  for (let i = 0; i < count; i += 1) {
    const pending = batch[i];
    if (pending === undefined) break;
    const { channel, head, event } = pending;
    const { seq, total } = channel.assign(pending.bytes);
    seqs.push(seq);
    rows[i] = channel.id * CHANNEL_SPAN + seq;
    atMs[i] = pending.atMs;
    totals[i] = total;
    headLengths[i] = head.byteLength;
    bodyLengths[i] = event.body.byteLength;
    bytes.set(head, at);
    bytes.set(event.body, at + head.byteLength);
    at += pending.bytes;
  }
  return { packed: { count, rows, atMs, totals, headLengths, bodyLengths, bytes }, seqs, buffer };
}
