import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { InstanceEvent } from '../../serving/activator/pool-tools.ts';
import {
  HOUR_MS,
  summed,
  type Consumer,
  type UsageLedger,
  type UsageRow,
} from '../../serving/usage/ledger.ts';
import { UsageMeter, type InstanceUsage } from '../../serving/usage/usage-meter.ts';
import type { Log } from '../../telemetry/log.ts';
import { onSignal } from '../../telemetry/signals.ts';
import { UsageFiles } from './usage-files.ts';

/** Instances are read, and what changed is kept, this often while something runs: a kill loses no more than that. */
const EVERY_MS = 10_000;
/** What is asked for is no older: long enough for a rate of CPU. */
const FRESH_MS = 2000;

export type UsageQuery = {
  readonly sinceMs: number | undefined; // undefined: since ever
  readonly namespace: string | undefined;
  readonly service: string | undefined;
  readonly by: 'service' | 'revision';
};

/** What Services have used: counted while they run, kept in the data folder, asked for by `millrace usage`. */
export class UsageRecords {
  readonly #files: UsageFiles;
  readonly #ledger: UsageLedger;
  readonly #meter: UsageMeter;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopHearing: () => void;
  readonly #stop = new AbortController();
  #running: Promise<void> | undefined;

  private constructor(files: UsageFiles, ledger: UsageLedger, options: UsageOptions) {
    const { clock, log, identityOf } = options;
    this.#files = files;
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log;
    this.#meter = new UsageMeter(ledger, identityOf);
    this.#stopHearing = onSignal('serving.answered', ({ revision, atMs }) => {
      this.#meter.request(revision, atMs);
      this.#keepGoing();
    });
  }

  static async open(options: UsageOptions): Promise<UsageRecords> {
    const files = new UsageFiles(options.folder);
    return new UsageRecords(files, await files.open(options.clock.nowMs()), options);
  }

  observe(event: InstanceEvent): void {
    this.#meter.observe(event);
    this.#keepGoing();
  }

  /** What each instance uses now. */
  latest(): readonly InstanceUsage[] {
    return this.#meter.latest();
  }

  /** The same, read again where that is older than a moment. */
  async now(): Promise<readonly InstanceUsage[]> {
    const oldestMs = this.#clock.nowMs() - FRESH_MS;
    const latest = this.latest();
    if (latest.length < this.#meter.size || latest.some(({ atMs }) => atMs < oldestMs))
      await this.#meter.read(() => this.#clock.nowMs());
    return this.latest();
  }

  get total(): readonly UsageRow[] {
    return this.#ledger.total;
  }

  async query({ sinceMs, namespace, service, by }: UsageQuery): Promise<readonly UsageRow[]> {
    await this.#meter.read(() => this.#clock.nowMs());
    const rows = sinceMs === undefined ? this.#ledger.total : await this.#since(sinceMs);
    const wanted = rows.filter(
      (row) =>
        (namespace === undefined || row.namespace === namespace) &&
        (service === undefined || row.service === service),
    );
    return summed(wanted, by);
  }

  /** Reads and keeps a last time. */
  async close(): Promise<void> {
    this.#stopHearing();
    this.#stop.abort();
    await this.#running;
    await this.#step();
  }

  async #since(sinceMs: number): Promise<readonly UsageRow[]> {
    const kept = await this.#files.hoursSince(sinceMs);
    const current = Math.floor(this.#clock.nowMs() / HOUR_MS);
    const hours = [...new Set([...kept, current - 1, current])].filter(
      (hour) => hour >= Math.floor(sinceMs / HOUR_MS),
    );
    const rows = await Promise.all(
      hours.map(async (hour) => this.#ledger.rowsOf(hour) ?? (await this.#files.rowsOf(hour))),
    );
    return rows.flat();
  }

  /** A platform where nothing runs has no timer for it. */
  #keepGoing(): void {
    this.#running ??= this.#go().finally(() => (this.#running = undefined));
  }

  async #go(): Promise<void> {
    while (!this.#stop.signal.aborted && (this.#meter.size > 0 || this.#ledger.isChanged)) {
      await this.#clock.until(this.#clock.nowMs() + EVERY_MS, this.#stop.signal);
      if (!this.#stop.signal.aborted) await this.#step();
    }
  }

  async #step(): Promise<void> {
    try {
      await this.#meter.read(() => this.#clock.nowMs());
      await this.#files.keep(this.#ledger, this.#clock.nowMs());
    } catch (error) {
      const message = 'usage could not be kept; it is tried again';
      this.#log({ level: 'warn', message, fields: { error: messageOf(error) } });
    }
  }
}

export type UsageOptions = {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Of a revision by namespace/name. */
  readonly identityOf: (key: string) => Consumer;
};
