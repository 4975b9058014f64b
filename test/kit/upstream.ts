import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/**
 * What Knative Serving's own code answered to each question of a corpus. Made by scripts/upstream, never edited; the README
 * there says how.
 */
export function upstreamAnswers<Case>(name: string): readonly Case[] {
  const file = new URL(`../fixtures/upstream/${name}.jsonl.gz`, import.meta.url);
  return gunzipSync(readFileSync(file))
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Case); // as its script writes it
}

/** Members whose zero is not the same as nothing. */
const TOLD = new Set(['enableServiceLinks', 'containerConcurrency', 'percent', 'latestRevision']);

/**
 * Without what Go writes though nobody has said it: empty members, and zeros of what has no pointer. Undefined: nothing is
 * left. A divisor of 0 is none.
 */
export function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value))
    return value.length === 0 ? undefined : value.map((each) => withoutZeros(each) ?? {});
  if (typeof value !== 'object') return value === '' || value === false || value === 0 ? undefined : value;
  if (value === null) return undefined;
  const members = Object.entries(value)
    .map(([name, each]) => [name, TOLD.has(name) ? (each as unknown) : withoutZeros(each)] as const)
    .filter(([name, each]) => each !== undefined && !(name === 'divisor' && each === '0'));
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
