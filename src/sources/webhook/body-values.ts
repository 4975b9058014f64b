import { isUtf8 } from 'node:buffer';
import { elementsOf, isJson, membersOf, stringAt, type Span } from '../../events/json-scan.ts';
import { isJsonType } from '../../events/structured.ts';
import { mediaTypeOf, type DoorRequest } from '../door/door-source.ts';

/** Reads single values of a body. Numbers keep the digits that they were written with, however many. */
export interface BodyValues {
  /** The text, number or boolean at a JSON pointer; undefined: there is none. */
  at(pointer: string): string | undefined;
}

export type BodyFault = { readonly fault: string };

const NOTHING: BodyValues = { at: () => undefined };

/** What has to be JSON and is not is a fault; what is neither JSON nor a form has no values. */
export function bodyValuesOf(request: DoorRequest): BodyValues | BodyFault {
  const type = mediaTypeOf(request);
  if (type === 'application/x-www-form-urlencoded') return formValues(request.body);
  if (!isJsonType(type)) return NOTHING;
  const { body } = request;
  if (!isUtf8(body)) return { fault: 'the body is not UTF-8' };
  const root = membersIn(body, 0);
  if (!('fault' in root)) return new JsonValues(body, root);
  return isJson(body) ? NOTHING : { fault: `the body is no JSON: ${root.fault}` }; // a mere text or number
}

function formValues(body: Buffer): BodyValues {
  const fields = new URLSearchParams(body.toString());
  return { at: (pointer) => fields.get(tokensOf(pointer)[0] ?? '') ?? undefined };
}

type Members = ReadonlyMap<string, Span>;

/** Each object on the way is read once, however many pointers lead through it. */
class JsonValues implements BodyValues {
  readonly #bytes: Buffer;
  readonly #known = new Map<number, Members>(); // by where the value begins

  constructor(bytes: Buffer, root: Members) {
    this.#bytes = bytes;
    this.#known.set(ROOT.start, root);
  }

  at(pointer: string): string | undefined {
    let span = ROOT;
    for (const token of tokensOf(pointer)) {
      const next = this.#membersAt(span).get(token);
      if (next === undefined) return undefined;
      span = next;
    }
    return textAt(this.#bytes, span);
  }

  #membersAt(span: Span): Members {
    const known = this.#known.get(span.start);
    if (known !== undefined) return known;
    const read = membersIn(this.#bytes.subarray(span.start, span.end), span.start);
    const members: Members = 'fault' in read ? new Map() : read; // a text or a number has none
    this.#known.set(span.start, members);
    return members;
  }
}

/** The whole body, which begins nowhere that one of its members does. */
const ROOT: Span = { start: -1, end: -1 };

/** The members of an object, or the elements of an array by their index; `from` is where the value begins in the body. */
function membersIn(value: Buffer, from: number): Members | BodyFault {
  const members = membersOf(value, { start: 0, end: value.length });
  const shifted = ({ start, end }: Span): Span => ({ start: start + from, end: end + from });
  // Of members with the same name the last one counts, as for JSON.parse.
  if (!('fault' in members)) return new Map(members.map(({ name, value: at }) => [name, shifted(at)]));
  const elements = elementsOf(value);
  return 'fault' in elements ? members : new Map(elements.map((each, i) => [String(i), shifted(each)]));
}

/** Strings, numbers and booleans; null, objects and arrays are no attribute. */
function textAt(bytes: Buffer, span: Span): string | undefined {
  const first = bytes[span.start];
  if (first === 0x22) return stringAt(bytes, span);
  if (first === 0x7b || first === 0x5b || first === 0x6e) return undefined;
  return bytes.toString('latin1', span.start, span.end);
}

/** RFC 6901, 3 and 4. */
function tokensOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));
}
