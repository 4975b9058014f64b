import { isUtf8 } from 'node:buffer';
import { malformed, type Malformed } from './attributes.ts';
import type { CloudEvent } from './event.ts';
import { elementsOf } from './json-scan.ts';
import { readObject } from './read-structured.ts';

export type Batch = { readonly kind: 'batch'; readonly events: readonly CloudEvent[] };

/** Reads the JSON batch format (JSON format 4): all of its events, or the fault of the first that has one. */
export function readBatch(body: Uint8Array): Batch | Malformed {
  if (!isUtf8(body)) return malformed('batch: not valid UTF-8');
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const elements = elementsOf(bytes);
  if ('fault' in elements) return malformed(`batch: ${elements.fault}`);
  const events: CloudEvent[] = [];
  for (const [index, element] of elements.entries()) {
    const read = readObject(bytes, element);
    if (read.kind !== 'event') {
      const why = read.kind === 'malformed' ? read : malformed('not a CloudEvent');
      return { ...why, reason: `event ${index} of the batch: ${why.reason}` };
    }
    // A copy, or one event that is kept would keep the whole batch in memory.
    events.push({ ...read.event, body: Buffer.from(read.event.body) });
  }
  return { kind: 'batch', events };
}
