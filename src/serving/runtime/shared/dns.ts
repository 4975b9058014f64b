/** Of RFC 1035: as much as it takes to answer for names of one's own, and to pass on all others. */

const HEADER_BYTES = 12;
const NAME_BYTES_MAX = 255;
const [TYPE_A, TYPE_AAAA, CLASS_IN] = [1, 28, 1];
const TTL_S = 5;
const RESPONSE = 0x8000;
const AUTHORITATIVE = 0x0400;
const RECURSION_AVAILABLE = 0x0080;
const KEPT = 0x7900; // opcode, and that recursion was asked for
const OPCODE_AND_RESPONSE = 0xf800;
export const NAME_ERROR = 3;
export const SERVER_FAILURE = 2;

export type Question = {
  readonly name: string; // in lower case, without its last dot
  readonly isAddress: boolean; // A or AAAA, of the internet
  readonly isIpv4: boolean;
  /** Where it ends in its packet. */
  readonly end: number;
};

/** The one question of a query; undefined: it is none, or has not just one. */
export function questionOf(packet: Buffer): Question | undefined {
  if (packet.byteLength < HEADER_BYTES + 5) return undefined;
  if ((packet.readUInt16BE(2) & OPCODE_AND_RESPONSE) !== 0 || packet.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (;;) {
    const length = packet[at];
    if (length === undefined || length > 63 || at - HEADER_BYTES > NAME_BYTES_MAX) return undefined;
    at += 1;
    if (length === 0) break;
    labels.push(
      packet
        .subarray(at, at + length)
        .toString('latin1')
        .toLowerCase(),
    );
    at += length;
  }
  if (packet.byteLength < at + 4) return undefined;
  const [type, of] = [packet.readUInt16BE(at), packet.readUInt16BE(at + 2)];
  return {
    name: labels.join('.'),
    isAddress: of === CLASS_IN && (type === TYPE_A || type === TYPE_AAAA),
    isIpv4: type === TYPE_A,
    end: at + 4,
  };
}

/** The answer to a query: an IPv4 address, or that there is none of that kind. */
export function answerTo(packet: Buffer, { end, isIpv4 }: Question, address: string): Buffer {
  const head = headOf(packet, end, RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE);
  if (!isIpv4) return head;
  head.writeUInt16BE(1, 6); // one answer
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | HEADER_BYTES, 0); // the name of the question
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(CLASS_IN, 4);
  record.writeUInt32BE(TTL_S, 6);
  record.writeUInt16BE(4, 10);
  Buffer.from(address.split('.').map(Number)).copy(record, 12);
  return Buffer.concat([head, record]);
}

/** The answer that there is no such name, or that it could not be found out. */
export function refusalOf(packet: Buffer, { end }: Question, code: number): Buffer {
  return headOf(packet, end, RESPONSE | RECURSION_AVAILABLE | code);
}

function headOf(packet: Buffer, end: number, flags: number): Buffer {
  const head = Buffer.from(packet.subarray(0, end));
  head.writeUInt16BE((packet.readUInt16BE(2) & KEPT) | flags, 2);
  head.writeUInt16BE(0, 6);
  head.writeUInt16BE(0, 8);
  head.writeUInt16BE(0, 10);
  return head;
}
