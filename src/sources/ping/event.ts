import { rfc3339 } from '../../apis/conditions.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { PingPlan } from './plan.ts';

export const PING_TYPE = 'dev.knative.sources.ping';

export function pingSourceUri(namespace: string, name: string): string {
  return `/apis/v1/namespaces/${namespace}/pingsources/${name}`;
}

/** The event of one tick: the same id and time however often it is made, so that a repetition can be told. */
export function eventOf({ uid, source, payload }: PingPlan, dueMs: number): CloudEvent {
  const id = `${uid}.${dueMs / 1000}`;
  const attributes = Object.entries({
    specversion: '1.0',
    id,
    source,
    type: PING_TYPE,
    time: rfc3339(dueMs),
  });
  return {
    attributes: new Map(attributes),
    contentType: payload?.contentType,
    body: payload === undefined ? new Uint8Array() : Buffer.from(payload.text, payload.encoding),
  };
}
