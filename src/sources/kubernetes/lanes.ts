import { createHash } from 'node:crypto';
import { selectorText } from '../../apis/label-selector.ts';
import { Lane, type LaneOptions, type LaneState, type Position, type Watched } from './lane.ts';

/** How far each lane has come, by its name. */
export type Positions = Readonly<Record<string, Position>>;

/** Of the 64 KiB that a bookmark holds, what is remembered of objects. */
export const KNOWN_CHARS_MAX = 44 * 1024;
/** Watches of one source; their positions are the rest of the bookmark. */
export const LANES_MAX = 100;
const NAME_MAX = 80;
const HASH_CHARS = 22;
/** Objects that one source remembers in memory. */
export const REMEMBERED_MAX = 20_000;

type Common = Omit<LaneOptions, 'watched' | 'tellsExisting' | 'room' | 'onState'>;

/** The watches of a source, each under a name that says what it watches. */
export class Lanes {
  readonly #common: Common;
  readonly #onChange: () => void;
  readonly #room = { left: REMEMBERED_MAX };
  readonly #lanes = new Map<string, { readonly lane: Lane; state: LaneState }>();

  constructor(common: Common, onChange: () => void) {
    this.#common = common;
    this.#onChange = onChange;
  }

  get names(): readonly string[] {
    return [...this.#lanes.keys()];
  }

  get states(): readonly LaneState[] {
    return [...this.#lanes.values()].map(({ state }) => state);
  }

  /** Starts it unless it runs. */
  open(watched: Watched, position: Position | undefined, tellsExisting: boolean): void {
    const name = laneName(watched);
    if (this.#lanes.has(name)) return;
    const onState = (state: LaneState): void => {
      const entry = this.#lanes.get(name);
      if (entry === undefined) return;
      entry.state = state;
      this.#onChange();
    };
    const options = { ...this.#common, watched, tellsExisting, room: this.#room, onState };
    const lane = new Lane(options, position);
    this.#lanes.set(name, { lane, state: { kind: 'starting' } });
    lane.start();
  }

  /** Ends it, and forgets how far it had come. */
  async end(name: string): Promise<void> {
    const entry = this.#lanes.get(name);
    this.#lanes.delete(name);
    await entry?.lane.close();
    entry?.lane.forget();
    this.#onChange();
  }

  /** Small lanes whole, large ones with an equal share of what those leave. */
  positions(charsMax: number): Positions {
    const lanes = [...this.#lanes].toSorted(([, a], [, b]) => a.lane.remembered - b.lane.remembered);
    let left = charsMax;
    const positions: Record<string, Position> = {};
    for (const [i, [name, { lane }]] of lanes.entries()) {
      const position = lane.position(Math.floor(left / (lanes.length - i)));
      if (position === undefined) continue;
      positions[name] = position;
      left -= position.known.length;
    }
    return positions;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map(({ lane }) => lane.close()));
  }
}

/** The same in each life of a source, so that its position is found again; bounded, as the bookmark is. */
export function laneName({ apiVersion, kind, namespace = '*', selector = {} }: Watched): string {
  const name = `${apiVersion} ${kind} ${namespace} ${selectorText(selector)}`.trim();
  if (name.length <= NAME_MAX) return name;
  const hash = createHash('sha256').update(name).digest('base64url').slice(0, HASH_CHARS);
  return name.slice(0, NAME_MAX - HASH_CHARS) + hash;
}
