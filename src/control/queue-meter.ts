/** Is told what a work queue does, for metrics; times in milliseconds. */
export interface QueueMeter {
  added(): void;
  /** A key has its turn after so long; what is returned is called at the end of it. */
  began(waitedMs: number): (hasFailed: boolean) => void;
  /** One that has failed comes back. */
  retried(): void;
}
