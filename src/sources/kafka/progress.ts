import type { KafkaPlan } from './plan.ts';

type Begun = { readonly group: string; readonly topics: readonly string[] };

/** The topics whose start this source has seen committed. A text of another group, or that nobody can read, says nothing. */
export function readBegun(text: string | undefined, { group }: KafkaPlan): ReadonlySet<string> {
  if (text === undefined) return new Set();
  try {
    const begun = JSON.parse(text) as Partial<Begun> | null;
    if (begun?.group !== group || !Array.isArray(begun.topics)) return new Set();
    return new Set(begun.topics);
  } catch {
    return new Set();
  }
}

export function writeBegun({ group, topics }: KafkaPlan): string {
  return JSON.stringify({ group, topics } satisfies Begun);
}
