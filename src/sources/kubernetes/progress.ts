import type { Position } from './lane.ts';
import type { Positions } from './lanes.ts';

/** How far a source has come, as its bookmark holds it. */
export type Progress = {
  /** Which cluster this is of; versions mean nothing to another. */
  readonly cluster: string;
  /** When the source first watched it. */
  readonly sinceMs: number;
  readonly lanes: Positions;
};

export function writeProgress(progress: Progress): string {
  return JSON.stringify(progress);
}

/** Undefined of anything but what writeProgress() has written. */
export function readProgress(text: string): Progress | undefined {
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read !== 'object' || read === null) return undefined;
    const { cluster, sinceMs, lanes } = read as Partial<Record<keyof Progress, unknown>>;
    if (typeof cluster !== 'string' || typeof sinceMs !== 'number') return undefined;
    const positions = Object.entries(Object(lanes)).filter(([, each]) => isPosition(each));
    return { cluster, sinceMs, lanes: Object.fromEntries(positions) as Record<string, Position> };
  } catch {
    return undefined;
  }
}

function isPosition(value: unknown): value is Position {
  if (typeof value !== 'object' || value === null) return false;
  const { version, ms, known, notRemembered } = value as Partial<Record<keyof Position, unknown>>;
  const isText = typeof version === 'string' && typeof known === 'string';
  return isText && typeof ms === 'number' && typeof notRemembered === 'number';
}
