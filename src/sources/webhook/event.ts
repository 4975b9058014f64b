import type { ValueFrom } from '../../apis/sources/webhook-source/schema.ts';
import { ATTRIBUTES, type Attribute } from '../../apis/sources/webhook-source/schema.ts';
import { faultInValue } from '../../events/attributes.ts';
import type { CloudEvent } from '../../events/event.ts';
import { isMediaType, isTimestamp, isUriReference } from '../../events/syntax.ts';
import { headerOnce, type DoorRequest } from '../door/door-source.ts';
import type { BodyValues } from './body-values.ts';
import { DEFAULT_TYPE, type WebhookPlan } from './plan.ts';

const VALUE_MAX = 4096;
const ID_MAX = 256;

/** An event and, when the service named its delivery, by what; the bytes are those that came. */
export type Made = { readonly event: CloudEvent; readonly id: string | undefined };

/** The event of a delivery that is no CloudEvent; `randomId` is its id when the service gives none. */
export function eventOf(plan: WebhookPlan, request: DoorRequest, body: BodyValues, randomId: string): Made {
  const { attributes: from, ownSource, overrides } = plan;
  const read = (name: Attribute): string | undefined => valueOf(from[name], name, request, body);
  const id = read('id');
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', id ?? randomId],
    ['source', read('source') ?? ownSource],
    ['type', read('type') ?? DEFAULT_TYPE],
  ]);
  for (const name of ['subject', 'time'] as const) {
    const value = read(name);
    if (value !== undefined) attributes.set(name, value);
  }
  for (const [name, each] of Object.entries(from.extensions ?? {})) {
    const value = valueOf(each, name, request, body);
    if (value !== undefined) attributes.set(name, value);
  }
  for (const [name, value] of overrides) attributes.set(name, value);
  const contentType = request.headers['content-type'];
  const isTyped = contentType !== undefined && isMediaType(contentType);
  return { event: { attributes, contentType: isTyped ? contentType : undefined, body: request.body }, id };
}

/** Whether anything is to be read from the body; else it may be anything at all. */
export function readsBody({ attributes }: WebhookPlan): boolean {
  const all = [...ATTRIBUTES.map((name) => attributes[name]), ...Object.values(attributes.extensions ?? {})];
  return all.some((from) => from?.pointer !== undefined);
}

/** What cannot be the value of that attribute counts as not there. */
function valueOf(
  from: ValueFrom | undefined,
  name: string,
  request: DoorRequest,
  body: BodyValues,
): string | undefined {
  if (from === undefined) return undefined;
  const { value, header, pointer, prefix = '', default: otherwise } = from;
  if (value !== undefined) return value;
  const found =
    header === undefined ? body.at(pointer ?? '') : textOf(headerOnce(request, header.toLowerCase()));
  if (found === undefined || found === '') return otherwise;
  const made = name === 'time' ? timeOf(prefix + found) : prefix + found;
  return made !== undefined && canBe(name, made) ? made : otherwise;
}

/** Headers come as Latin-1, and many a service writes UTF-8 into them. */
function textOf(header: string | undefined): string | undefined {
  if (header === undefined || /^[\x20-\x7e]*$/.test(header)) return header;
  const decoded = Buffer.from(header, 'latin1').toString();
  return decoded.includes('\u{fffd}') ? header : decoded;
}

function canBe(name: string, value: string): boolean {
  if (value.length > (name === 'id' ? ID_MAX : VALUE_MAX) || faultInValue(name, value) !== undefined)
    return false;
  return name !== 'source' || isUriReference(value);
}

/** Up to here a number is seconds since the epoch (the year 5138); above, it is milliseconds. */
const SECONDS_MAX = 1e11;

function timeOf(text: string): string | undefined {
  if (!/^\d{1,14}(?:\.\d+)?$/.test(text)) return isTimestamp(text) ? text : undefined;
  const number = Number(text);
  const ms = number < SECONDS_MAX ? number * 1000 : number;
  return new Date(Math.round(ms)).toISOString().replace('.000Z', 'Z');
}
