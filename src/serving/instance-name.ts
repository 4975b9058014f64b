/** What Kubernetes makes the ends of Pod names of. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';
const LENGTH = 5;

/** The end of the name of an instance, which is that of its Pod. */
export function instanceSuffix(random: () => number): string {
  const letter = (): string => LETTERS.charAt(Math.floor(random() * LETTERS.length));
  return Array.from({ length: LENGTH }, letter).join('');
}
