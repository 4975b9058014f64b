/** One type of events at one place. */
export type Seen = { readonly place: string; readonly type: string; readonly source: string };

const PER_PLACE_MAX = 100;
const PLACES_MAX = 2000;

/**
 * Which types have come to which place. Asked for every event, in its own path: three look-ups and no text is made.
 *   T1  each is new once, until it is forgotten.
 *   T2  at most so many of one place, and so many places, are remembered; what is more is not new.
 */
export class SeenTypes {
  readonly #places = new Map<string, { readonly types: Map<string, Set<string>>; count: number }>();
  readonly #perPlaceMax: number;

  constructor(perPlaceMax = PER_PLACE_MAX) {
    this.#perPlaceMax = perPlaceMax;
  }

  isNew(place: string, type: string, source: string): boolean {
    let known = this.#places.get(place);
    if (known === undefined) {
      if (this.#places.size >= PLACES_MAX) return false; // T2
      this.#places.set(place, (known = { types: new Map(), count: 0 }));
    }
    const sources = known.types.get(type);
    if (sources?.has(source) === true) return false; // T1
    if (known.count >= this.#perPlaceMax) return false;
    known.count += 1;
    if (sources === undefined) known.types.set(type, new Set([source]));
    else sources.add(source);
    return true;
  }

  /** It is new again wherever it comes. */
  forget(type: string, source: string): void {
    for (const known of this.#places.values())
      if (known.types.get(type)?.delete(source) === true) known.count -= 1;
  }

  forgetPlace(place: string): void {
    this.#places.delete(place);
  }
}
