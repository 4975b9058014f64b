import type { Ended } from '../runtime.ts';

/** What runs a container: a process group of this machine, or a container of an engine. */
export type RunProcess = {
  /** Of this machine; 0: it has none here. */
  readonly pid: number;
  readonly startedMs: number;
  readonly ended: Promise<Ended>;
  readonly output: {
    /** The last lines, as the end of a sentence; empty when it has printed nothing. */
    readonly said: string;
  };
  /** SIGTERM, SIGKILL after `graceMs`; resolves when it is gone. May be called again with less. */
  stop(graceMs: number): Promise<void>;
};
