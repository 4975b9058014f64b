import type { CloudEvent } from '../../src/events/event.ts';

/** A valid event whose body holds a number that JSON.parse would round. */
export function anEvent(id = 'e-1', extensions: Readonly<Record<string, string>> = {}): CloudEvent {
  return {
    attributes: new Map(
      Object.entries({ specversion: '1.0', id, source: '/shop', type: 'order.paid', ...extensions }),
    ),
    contentType: 'application/json',
    body: Buffer.from('{"total":12345678901234567890}'),
  };
}

export const idOf = (event: CloudEvent): string => event.attributes.get('id') ?? '';
