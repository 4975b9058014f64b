import type { CloudEvent } from '../events/event.ts';
import { isHeard, publishSignal } from '../telemetry/signals.ts';
import type { Failure } from './channel.ts';

/** A backend has confirmed an event. `bytes`: of body and attributes; `seq`: its place, 0 when the backend has none. */
export function tellAccepted(
  event: CloudEvent,
  told: {
    readonly atMs: number;
    readonly durableMs: number;
    readonly channel: string;
    readonly seq: number;
    readonly bytes: number;
    readonly groups: readonly string[];
  },
): void {
  if (isHeard('channel.accepted')) publishSignal('channel.accepted', { ...keyOf(event), ...told });
}

/** An event is in the dead-letter store. */
export function tellDead(
  event: CloudEvent | undefined,
  where: { readonly channel: string; readonly group: string; readonly atMs: number },
  { code, reason }: Failure,
): void {
  publishSignal('dispatcher.dead', { ...keyOf(event), ...where, code, reason });
}

function keyOf(event: CloudEvent | undefined): { id: string; source: string; type: string } {
  const read = (name: string): string => event?.attributes.get(name) ?? '';
  return { id: read('id'), source: read('source'), type: read('type') };
}
