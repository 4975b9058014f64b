/** So many at a time; whoever comes when all turns are taken waits, in the order of coming. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #left: number;

  constructor(count: number) {
    this.#left = count;
  }

  /** Resolves with how to give the turn back, once; at once when there is one left. */
  async take(): Promise<() => void> {
    if (this.#left > 0) this.#left -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let isTaken = true;
    return () => {
      if (isTaken) this.#give();
      isTaken = false;
    };
  }

  /** Nobody waits any more, turn or not. */
  open(): void {
    this.#left = Number.POSITIVE_INFINITY;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#left += 1;
    else next();
  }
}
