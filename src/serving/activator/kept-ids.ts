/**
 * The ids of instances that ended by themselves: the next one takes such a name, and is a restart of that one (runtime R5),
 * so that a Pod is seen to crash again and again, and not a new Pod each time.
 */
export class KeptIds {
  readonly #untilMs = new Map<string, number>();

  get size(): number {
    return this.#untilMs.size;
  }

  keep(id: string, untilMs: number): void {
    this.#untilMs.set(id, untilMs);
  }

  take(): string | undefined {
    const id = this.#untilMs.keys().next().value;
    if (id !== undefined) this.#untilMs.delete(id);
    return id;
  }

  /** Gives up this one; says whether it was kept. */
  drop(id: string): boolean {
    return this.#untilMs.delete(id);
  }

  /** Gives up those whose time is over; returns them. */
  expire(nowMs: number): readonly string[] {
    const ids = [...this.#untilMs].filter(([, untilMs]) => untilMs <= nowMs).map(([id]) => id);
    for (const id of ids) this.#untilMs.delete(id);
    return ids;
  }
}
