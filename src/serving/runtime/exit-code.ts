import { constants } from 'node:os';
import type { Ended } from './runtime.ts';

/** As a shell and Kubernetes count: 128 + signal, 127 for what could not be started. */
export function exitCodeOf({ exitCode, signal }: Pick<Ended, 'exitCode' | 'signal'>): number {
  const number = signal === undefined ? undefined : constants.signals[signal as NodeJS.Signals];
  return exitCode ?? (number === undefined ? 127 : 128 + number);
}
