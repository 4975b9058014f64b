/** Each class is a partition of the retry topic; its delays are four times those of the one before. */
export const DELAY_CLASSES = 8;
const FIRST_MS = 100;
const FACTOR = 4;

/**
 * Which partition of the retry topic a wait of so many milliseconds belongs to: 0 below 400 ms, 1 below 1.6 s, … 7 from
 * 27 minutes on. Within one class a wait is at most four times another (the last one aside), so that whoever comes later
 * is seldom due before those in front.
 */
export function delayClass(delayMs: number): number {
  let index = 0;
  for (let endMs = FIRST_MS * FACTOR; delayMs >= endMs && index < DELAY_CLASSES - 1; endMs *= FACTOR)
    index += 1;
  return index;
}
