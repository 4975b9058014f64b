const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The partition that Java's client, and whoever follows it, gives a key to. */
export function partitionOfKey(key: string, partitions: number): number {
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}

/** MurmurHash2 with 32 bits, as Kafka's Java client computes it. */
export function murmur2(bytes: Uint8Array): number {
  const { length } = bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, length);
  let h = SEED ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let k = Math.imul(view.getInt32(at, true), M);
    k = Math.imul(k ^ (k >>> 24), M);
    h = Math.imul(h, M) ^ k;
  }
  const left = length - at;
  if (left === 3) h ^= (bytes[at + 2] ?? 0) << 16;
  if (left >= 2) h ^= (bytes[at + 1] ?? 0) << 8;
  if (left >= 1) h = Math.imul(h ^ (bytes[at] ?? 0), M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
