type Step = { readonly name: string; readonly stop: (drainMs: number) => unknown };

/** How to stop what has been started, in the order in which it has to be stopped. */
export class Teardown {
  readonly #steps: Step[] = [];
  readonly #first: Step[] = [];
  readonly #last: Step[] = [];
  #running: Promise<void> | undefined;

  /** In the order of the calls, after those that come first. */
  step(name: string, stop: Step['stop']): void {
    this.#steps.push({ name, stop });
  }

  first(name: string, stop: Step['stop']): void {
    this.#first.push({ name, stop });
  }

  /** In reverse order of the calls, when all else has stopped. */
  last(name: string, stop: Step['stop']): void {
    this.#last.push({ name, stop });
  }

  run(drainMs: number): Promise<void> {
    return (this.#running ??= this.#run(drainMs));
  }

  async #run(drainMs: number): Promise<void> {
    for (const { stop } of [...this.#first, ...this.#steps, ...this.#last.toReversed()]) await stop(drainMs);
  }
}
