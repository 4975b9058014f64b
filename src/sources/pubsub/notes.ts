import type { Bookmark } from '../source.ts';

/** What a source has, or may have, at Pub/Sub: noted before it is made there, so that it can always be removed. */
export type Notes = {
  /** Its full name. */
  readonly subscription: string;
  /** It was there once: what takes it away loses what is published meanwhile. */
  readonly isMade: boolean;
};

/** Undefined: nothing was ever made. Notes that nobody can read say that `subscription` may have been. */
export async function readNotes(bookmark: Bookmark, subscription: string): Promise<Notes | undefined> {
  const text = await bookmark.read();
  if (text === undefined) return undefined;
  try {
    const stored: unknown = JSON.parse(text);
    const noted: unknown = Reflect.get(Object(stored), 'subscription');
    if (typeof noted === 'string')
      return { subscription: noted, isMade: Reflect.get(Object(stored), 'isMade') === true };
  } catch {
    // as if it named no subscription
  }
  return { subscription, isMade: false };
}

export function writeNotes(bookmark: Bookmark, { subscription, isMade }: Notes): Promise<void> {
  return bookmark.write(JSON.stringify({ subscription, isMade }));
}
