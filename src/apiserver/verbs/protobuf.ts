import { ApiError, badRequest } from '../storage/api-error.ts';

/**
 * kubectl's typed clients (`kubectl create namespace`, `configmap`, `secret`, `serviceaccount`) send protobuf and know no
 * way back to JSON. Here are the few messages that they send, as field tables (k8s.io/api core/v1 generated.proto).
 */
type Field = {
  readonly name: string;
  readonly as: 'text' | 'bytes' | 'number' | 'boolean' | 'textMap' | 'bytesMap' | Message;
  readonly isList?: boolean;
};
type Message = Readonly<Record<number, Field>>;

const text = (name: string, isList = false): Field => ({ name, as: 'text', isList });

const OBJECT_META: Message = {
  1: text('name'),
  2: text('generateName'),
  3: text('namespace'),
  5: text('uid'),
  6: text('resourceVersion'),
  11: { name: 'labels', as: 'textMap' },
  12: { name: 'annotations', as: 'textMap' },
  14: text('finalizers', true),
};
const METADATA: Field = { name: 'metadata', as: OBJECT_META };
const REFERENCE: Message = {
  1: text('kind'),
  2: text('namespace'),
  3: text('name'),
  4: text('uid'),
  5: text('apiVersion'),
};

const KINDS: Readonly<Record<string, Message>> = {
  Namespace: { 1: METADATA, 2: { name: 'spec', as: { 1: text('finalizers', true) } } },
  ConfigMap: {
    1: METADATA,
    2: { name: 'data', as: 'textMap' },
    3: { name: 'binaryData', as: 'bytesMap' },
    4: { name: 'immutable', as: 'boolean' },
  },
  Secret: {
    1: METADATA,
    2: { name: 'data', as: 'bytesMap' },
    3: text('type'),
    4: { name: 'stringData', as: 'textMap' },
    5: { name: 'immutable', as: 'boolean' },
  },
  ServiceAccount: {
    1: METADATA,
    2: { name: 'secrets', as: REFERENCE, isList: true },
    3: { name: 'imagePullSecrets', as: { 1: text('name') }, isList: true },
    4: { name: 'automountServiceAccountToken', as: 'boolean' },
  },
};
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
      if (field?.as === 'boolean') object[field.name] = value !== 0;
      else if (field?.as === 'number') object[field.name] = value;
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
  if (as === 'text' && part.length === 0) return; // protobuf's way to say nothing
  if (as === 'textMap' || as === 'bytesMap') {
    const entry = read(part, {
      1: text('key'),
      2: { name: 'value', as: as === 'textMap' ? 'text' : 'bytes' },
    });
    object[name] = Object.fromEntries([
      ...Object.entries(Object(object[name])),
      [String(entry['key']), entry['value'] ?? ''],
    ]);
    return;
  }
  const value =
    as === 'text'
      ? part.toString()
      : as === 'bytes'
        ? part.toString('base64')
        : typeof as === 'object'
          ? read(part, as)
          : undefined;
  if (!isList) object[name] = value;
  else object[name] = [...((object[name] as unknown[] | undefined) ?? []), value];
}
