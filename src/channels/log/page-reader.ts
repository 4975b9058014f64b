import { whileOpen, type GroupHost, type Loaded } from './group-host.ts';

/** A page more is fetched when fewer than these are left. */
const LOW_WATER = 128;

/** What one group reads back in pages because it fell out of the tail cache; bounded by two pages (P6). */
export class PageReader {
  readonly #host: GroupHost;
  readonly #onPage: () => void;
  #rows = new Map<number, Loaded>();
  #end = 0; // the last sequence that was read
  #isReading = false;

  constructor(host: GroupHost, onPage: () => void) {
    this.#host = host;
    this.#onPage = onPage;
  }

  /** The event, if it is here; if not, it is fetched and `onPage` says when. */
  find(seq: number): Loaded | undefined {
    const found = this.#rows.get(seq);
    if (found === undefined) void this.#read(seq - 1, true);
    else if (this.#rows.size < LOW_WATER && this.#isWanted(this.#end + 1)) void this.#read(this.#end, false);
    return found;
  }

  drop(seq: number): void {
    this.#rows.delete(seq);
  }

  #isWanted(seq: number): boolean {
    return seq <= this.#host.lastSeq() && this.#host.cached(seq) === undefined;
  }

  #read(after: number, isAnew: boolean): Promise<void> {
    if (this.#isReading) return Promise.resolve();
    this.#isReading = true;
    return whileOpen(this.#host, async () => {
      const page = await this.#host.readPage(after);
      if (isAnew) this.#rows.clear();
      for (const row of page) this.#rows.set(row.seq, row);
      this.#end = page.at(-1)?.seq ?? after;
      this.#isReading = false;
      this.#onPage();
    });
  }
}
