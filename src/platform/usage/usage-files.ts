import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HOUR_MS, UsageLedger, type UsageRow } from '../../serving/usage/ledger.ts';
import { writeDurably } from '../durable-file.ts';

/** So long what was used in an hour can be asked for; since ever is kept for ever. */
const HOURS_KEPT = 90 * 24;
const TOTAL = 'total.json';
const HOUR_FILE = /^(\d{4}-\d\d-\d\dT\d\d)\.json$/;

/** Usage in the data folder: a file for each hour in which something ran, and one of all. */
export class UsageFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A ledger that goes on from what is kept. */
  async open(nowMs: number): Promise<UsageLedger> {
    const hour = Math.floor(nowMs / HOUR_MS);
    return new UsageLedger(await this.#read(TOTAL), { hour, rows: await this.rowsOf(hour) });
  }

  rowsOf(hour: number): Promise<readonly UsageRow[]> {
    return this.#read(nameOf(hour));
  }

  /** The hours from `sinceMs` on, the one that it is in included, that there is something of. */
  async hoursSince(sinceMs: number): Promise<readonly number[]> {
    const first = Math.floor(sinceMs / HOUR_MS);
    return (await this.#hours()).filter((hour) => hour >= first);
  }

  /** Keeps what has changed; what could not be kept is handed out by the ledger again. */
  async keep(ledger: UsageLedger, nowMs: number): Promise<void> {
    const changed = ledger.takeChanged(nowMs);
    if (changed.length === 0) return;
    try {
      for (const { hour, rows } of changed) await this.#write(nameOf(hour), rows);
      await this.#write(TOTAL, ledger.total);
    } catch (error) {
      ledger.putBack(changed);
      throw error;
    }
    const oldest = Math.floor(nowMs / HOUR_MS) - HOURS_KEPT;
    for (const hour of await this.#hours())
      if (hour < oldest) await rm(join(this.#folder, nameOf(hour)), { force: true });
  }

  async #hours(): Promise<readonly number[]> {
    const names = await readdir(this.#folder).catch(() => []);
    return names.flatMap((name) => {
      const [, hour] = HOUR_FILE.exec(name) ?? [];
      return hour === undefined ? [] : [Date.parse(`${hour}:00:00Z`) / HOUR_MS];
    });
  }

  async #read(name: string): Promise<readonly UsageRow[]> {
    try {
      return JSON.parse(await readFile(join(this.#folder, name), 'utf8')) as UsageRow[]; // written by #write
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
      throw error;
    }
  }

  #write(name: string, rows: readonly UsageRow[]): Promise<void> {
    return writeDurably(join(this.#folder, name), JSON.stringify(rows));
  }
}

function nameOf(hour: number): string {
  return `${new Date(hour * HOUR_MS).toISOString().slice(0, 13)}.json`;
}
