import type { Duplex, Readable, Writable } from 'node:stream';

export type PodContainer = {
  readonly namespace: string;
  readonly name: string;
  /** Undefined: the one that answers requests. */
  readonly container: string | undefined;
};

/** A command that runs in a container. */
export type RunningCommand = {
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

/**
 * What `kubectl exec` and `kubectl port-forward` reach. A refusal is a PlatformError whose message says why, and what does
 * work.
 *   A1  a command ends with its container, a connection with its Pod.
 */
export interface PodAccess {
  exec(pod: PodContainer, command: readonly string[], hasTerminal: boolean): Promise<RunningCommand>;
  /** A connection to a port of the Pod, as its manifest or its program names it. */
  connect(pod: Omit<PodContainer, 'container'>, port: number): Promise<Duplex>;
}
