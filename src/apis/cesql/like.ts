import type { LikePart } from './expression.ts';

/** Whether all of a text fits a pattern (3.4.3); in time that grows with their product, whatever they are. */
export function isLike(text: string, pattern: readonly LikePart[]): boolean {
  const characters = Array.from(text);
  let [at, part] = [0, 0];
  let [retryAt, retryPart] = [0, -1]; // after the last % that was passed: what it may take one more of
  while (at < characters.length) {
    const wanted = pattern[part];
    if (wanted === 'many') {
      [retryAt, retryPart] = [at, part];
      part += 1;
    } else if (wanted === 'one' || (wanted !== undefined && wanted.character === characters[at])) {
      [at, part] = [at + 1, part + 1];
    } else {
      if (retryPart < 0) return false;
      retryAt += 1;
      [at, part] = [retryAt, retryPart + 1];
    }
  }
  return pattern.slice(part).every((rest) => rest === 'many');
}
