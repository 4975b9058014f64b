import type { Duplex, Readable, Writable } from 'node:stream';
import type { InstanceSpec } from './runtime.ts';

/** A command that runs beside a container, where and as that runs. */
export type Command = {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** With a terminal all is told on `stdout`. */
  readonly stderr: Readable | undefined;
  /** Resolves with its exit code, of one that a signal ended 128 and that; never rejects. */
  readonly ended: Promise<number>;
  /** The size of its terminal; nothing, where it has none. */
  readonly resize: (columns: number, rows: number) => void;
  /** Ends it and what it has started. */
  readonly kill: () => void;
};

/** An instance that runs, or is on its way, for who wants into it. */
export type Reached = {
  readonly spec: InstanceSpec;
  /** Undefined: the container does not run now. Rejects with a PlatformError that says why there is no such command. */
  readonly exec: (
    container: string,
    command: readonly string[],
    hasTerminal: boolean,
  ) => Promise<Command | undefined>;
  /** A connection to a port as its programs have it; or what they listen on instead, undefined where nobody can tell. */
  readonly open: (port: number) => Promise<Duplex | Closed>;
};
export type Closed = { readonly listening: readonly number[] | undefined };

/**
 * What `kubectl exec` and `kubectl port-forward` need of a runtime.
 *   A1  a command ends with its container, a connection with its instance.
 */
export interface Reach {
  /** Undefined: this runtime has nothing of that id. */
  reach(id: string): Reached | undefined;
}
