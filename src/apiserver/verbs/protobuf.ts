import { ApiError, badRequest } from '../storage/api-error.ts';
import { KINDS, text, type Field, type Message } from './protobuf-messages.ts';

/**
 * kubectl's typed clients (`kubectl create namespace`, `deployment`, `job` …) send protobuf and know no way back to JSON.
 * The messages that they send are in protobuf-messages.ts.
 */
const UNKNOWN: Message = {
  1: { name: 'typeMeta', as: { 1: text('apiVersion'), 2: text('kind') } },
  2: { name: 'raw', as: 'bytes' },
};
const MAGIC = Buffer.from('k8s\0');

/** Reads an object from Kubernetes' protobuf envelope; throws 415 for a kind that has no table here. */
export function readProtobuf(body: Buffer): Record<string, unknown> {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('the body is no Kubernetes protobuf');
  const { typeMeta = {}, raw } = read(body.subarray(4), UNKNOWN);
  const { apiVersion, kind } = typeMeta as { apiVersion?: string; kind?: string }; // by the table above
  const message = kind === undefined ? undefined : KINDS[kind];
  if (message === undefined || typeof raw !== 'string') {
    throw new ApiError(
      415,
      'UnsupportedMediaType',
      `protobuf is not taken for ${String(kind)}; send application/json`,
    );
  }
  return { apiVersion, kind, ...read(Buffer.from(raw, 'base64'), message) };
}

/** Bytes are handed on in base64, as JSON has them; fields without an entry in the table are passed over. */
function read(bytes: Buffer, message: Message): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 53; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined) throw badRequest('the protobuf is cut short');
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw badRequest('the protobuf has a number that is too large');
  };
  while (at < bytes.length) {
    const tag = varint();
    const field = message[tag >>> 3];
    const wire = tag & 7;
    if (wire === 0) {
      const value = varint();
      // Go writes the zero of whatever is no pointer, which JSON leaves out.
      if (field?.as === 'boolean' || (field?.as === 'flag' && value !== 0)) object[field.name] = value !== 0;
      else if (field?.as === 'pointer' || (field?.as === 'number' && value !== 0)) object[field.name] = value;
      continue;
    }
    if (wire !== 2) throw badRequest(`the protobuf has a field of wire type ${wire}`);
    const length = varint();
    const part = bytes.subarray(at, at + length);
    if (part.length < length) throw badRequest('the protobuf is cut short');
    at += length;
    if (field !== undefined) put(object, field, part);
  }
  return object;
}

function put(object: Record<string, unknown>, { name, as, isList = false }: Field, part: Buffer): void {
  if (as === 'text' && part.length === 0 && !isList) return; // protobuf's way to say nothing
  if (name === '') return void Object.assign(object, typeof as === 'object' ? read(part, as) : {}); // inlined in JSON
  if (as === 'textMap' || as === 'bytesMap' || as === 'quantityMap') {
    const valueAs = ({ textMap: 'text', bytesMap: 'bytes', quantityMap: 'quantity' } as const)[as];
    const entry = read(part, { 1: text('key'), 2: { name: 'value', as: valueAs } });
    object[name] = Object.fromEntries([
      ...Object.entries(Object(object[name])),
      [String(entry['key']), entry['value'] ?? ''],
    ]);
    return;
  }
  const value = valueOf(as, part);
  if (!isList) object[name] = value;
  else object[name] = [...((object[name] as unknown[] | undefined) ?? []), value];
}

function valueOf(as: Field['as'], part: Buffer): unknown {
  switch (as) {
    case 'text':
      return part.toString();
    case 'bytes':
      return part.toString('base64');
    case 'quantity':
      return read(part, { 1: text('text') })['text'] ?? '0';
    case 'intOrString': {
      const { number = 0, text: named } = read(part, {
        2: { name: 'number', as: 'number' },
        3: text('text'),
      });
      return named ?? number;
    }
    default:
      return typeof as === 'object' ? read(part, as) : undefined;
  }
}
