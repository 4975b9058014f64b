import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { ByteSink } from './byte-sink.ts';

/** kafkajs reads gzip by itself; what other producers write besides is read here. Nothing of ours is compressed. */
export type Codec = { compress(): never; decompress(compressed: Buffer): Promise<Buffer> };

const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEAD = 16;
const LZ4_MAGIC = 0x184d2204;
const unzstd = promisify(zstdDecompress);

export const zstd: Codec = codec((compressed) => unzstd(compressed, { maxOutputLength: ByteSink.BYTES_MAX }));
export const snappy: Codec = codec(async (compressed) => unsnappy(compressed));
export const lz4: Codec = codec(async (compressed) => unlz4(compressed));

function codec(decompress: (compressed: Buffer) => Promise<Buffer>): Codec {
  const compress = (): never => {
    throw new Error('only read');
  };
  return { compress, decompress };
}

/** Java frames snappy blocks in its own way; others write one block. */
export function unsnappy(compressed: Buffer): Buffer {
  const sink = new ByteSink();
  if (!compressed.subarray(0, XERIAL.length).equals(XERIAL)) {
    unsnappyBlock(compressed, sink);
    return sink.bytes;
  }
  for (let at = XERIAL_HEAD; at < compressed.length;) {
    const length = compressed.readInt32BE(at);
    unsnappyBlock(compressed.subarray(at + 4, at + 4 + length), sink);
    at += 4 + length;
  }
  return sink.bytes;
}

/** google/snappy, format_description.txt */
function unsnappyBlock(block: Buffer, sink: ByteSink): void {
  let at = 0;
  while (block.readUInt8(at) >= 0x80) at += 1; // the length of what comes out, which shows anyway
  at += 1;
  while (at < block.length) {
    const tag = block.readUInt8(at);
    at += 1;
    const high = tag >> 2;
    switch (tag & 3) {
      case 0: {
        const extra = Math.max(0, high - 59);
        const length = (extra === 0 ? high : block.readUIntLE(at, extra)) + 1;
        at += extra;
        sink.add(block.subarray(at, at + length));
        at += length;
        break;
      }
      case 1:
        sink.copy(((tag >> 5) << 8) | block.readUInt8(at), (high & 7) + 4);
        at += 1;
        break;
      case 2:
        sink.copy(block.readUInt16LE(at), high + 1);
        at += 2;
        break;
      default:
        sink.copy(block.readUInt32LE(at), high + 1);
        at += 4;
    }
  }
}

/** lz4_Frame_format.md; checksums are the broker's to check, which has a sum of its own over each batch. */
export function unlz4(compressed: Buffer): Buffer {
  if (compressed.readUInt32LE(0) !== LZ4_MAGIC) throw new Error('not an LZ4 frame');
  const flags = compressed.readUInt8(4);
  const hasBlockSums = (flags & 0x10) !== 0;
  const sink = new ByteSink();
  let at = 6 + ((flags & 0x08) === 0 ? 0 : 8) + ((flags & 0x01) === 0 ? 0 : 4) + 1;
  for (let size = compressed.readUInt32LE(at); size !== 0; size = compressed.readUInt32LE(at)) {
    const length = size & 0x7fffffff;
    const block = compressed.subarray(at + 4, at + 4 + length);
    if (size >= 0x80000000) sink.add(block);
    else unlz4Block(block, sink);
    at += 4 + length + (hasBlockSums ? 4 : 0);
  }
  return sink.bytes;
}

/** lz4_Block_format.md */
function unlz4Block(block: Buffer, sink: ByteSink): void {
  let at = 0;
  const lengthFrom = (nibble: number): number => {
    let length = nibble;
    for (let more = nibble === 15; more;) {
      const byte = block.readUInt8(at);
      at += 1;
      length += byte;
      more = byte === 255;
    }
    return length;
  };
  while (at < block.length) {
    const token = block.readUInt8(at);
    at += 1;
    const literals = lengthFrom(token >> 4);
    sink.add(block.subarray(at, at + literals));
    at += literals;
    if (at >= block.length) return; // the last sequence has literals only
    const distance = block.readUInt16LE(at);
    at += 2;
    sink.copy(distance, lengthFrom(token & 15) + 4);
  }
}
