const FIRST_BYTES = 64 * 1024;

/** Bytes as they come out of a decompressor, which may refer back to earlier ones. */
export class ByteSink {
  /** No batch of events comes to this; what does was made to break something. */
  static readonly BYTES_MAX = 256 * 1024 * 1024;
  #buffer = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  add(bytes: Buffer): void {
    this.#grow(bytes.length);
    this.#length += bytes.copy(this.#buffer, this.#length);
  }

  /** Repeats `length` bytes from `distance` back; they may overlap with what they make. */
  copy(distance: number, length: number): void {
    const from = this.#length - distance;
    if (distance === 0 || from < 0) throw new Error('refers to what is not there');
    this.#grow(length);
    if (distance >= length) {
      this.#buffer.copyWithin(this.#length, from, from + length);
    } else {
      for (let i = 0; i < length; i += 1) this.#buffer[this.#length + i] = this.#buffer[from + i] ?? 0;
    }
    this.#length += length;
  }

  #grow(by: number): void {
    const needed = this.#length + by;
    if (needed <= this.#buffer.length) return;
    if (needed > ByteSink.BYTES_MAX) throw new Error(`more than ${ByteSink.BYTES_MAX} bytes`);
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
