/** Whole numbers as seven bits a byte, the lowest first; up to 2^53. */
export class VarintWriter {
  readonly #bytes: number[] = [];

  add(value: number): this {
    let left = value;
    while (left >= 0x80) {
      this.#bytes.push((left % 0x80) + 0x80);
      left = Math.floor(left / 0x80);
    }
    this.#bytes.push(left);
    return this;
  }

  base64(): string {
    return Buffer.from(this.#bytes).toString('base64');
  }
}

/** Reads what VarintWriter wrote; throws when there is no more. */
export class VarintReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(base64: string) {
    this.#bytes = Buffer.from(base64, 'base64');
  }

  next(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new Error('cut short');
      this.#at += 1;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value;
    }
  }
}
