import { keyOf, type Resource } from '../../apis/resource.ts';
import type { KindName } from '../../control/resource-client.ts';
import type { Seen } from './cluster-event.ts';

/** How many objects may still be remembered, shared by all that a source watches. */
export type Room = { left: number };

type Known = { readonly uid: string; readonly version: string };

/** Of a uid this much is kept: it only has to tell an object from its successor of the same name. */
const UID_CHARS = 8;

/** What a relist found, compared with what is remembered. */
export type Difference = {
  /** Deletions first, then by version. */
  readonly seen: readonly Seen[];
  /** Objects that were there and are not remembered: which of those were deleted cannot be told. */
  readonly notRemembered: number;
};

/**
 * The objects that the sink knows of, by name, each with its version, so that a list can be compared with it when a watch
 * cannot go on.
 *   O1  it holds what was taken, not what was read.
 *   O2  it is bounded by its room; what has none is counted. Changes of those are told by their version, deletions are not.
 */
export class KnownObjects {
  readonly #room: Room;
  readonly #objects = new Map<string, Known>();
  #notRemembered: number;

  constructor(room: Room, notRemembered = 0) {
    this.#room = room;
    this.#notRemembered = notRemembered;
  }

  get size(): number {
    return this.#objects.size;
  }

  note(object: Resource, isNew: boolean): void {
    const { uid = '', resourceVersion = '' } = object.metadata;
    this.#put(keyOf(object), { uid: uid.slice(0, UID_CHARS), version: resourceVersion }, isNew);
  }

  forget(object: Resource): void {
    if (this.#objects.delete(keyOf(object))) this.#room.left += 1;
    else this.#notRemembered = Math.max(0, this.#notRemembered - 1);
  }

  /** Remembers these and no others. */
  replace(objects: readonly Resource[]): void {
    this.clear();
    for (const object of objects) this.note(object, true);
  }

  clear(): void {
    this.#room.left += this.#objects.size;
    this.#objects.clear();
    this.#notRemembered = 0;
  }

  /** `since`: the version up to which everything was taken, at this time. */
  compare(kind: KindName, items: readonly Resource[], since: string, sinceMs: number): Difference {
    const there = new Set(items.map(keyOf));
    const gone = [...this.#objects].filter(([key]) => !there.has(key));
    const seen: Seen[] = gone.map(([key, known]) => deleted(kind, key, known));
    const changed: Seen[] = [];
    for (const object of items) {
      const { uid = '', resourceVersion = '' } = object.metadata;
      const known = this.#objects.get(keyOf(object));
      if (known === undefined) {
        if (this.#notRemembered === 0) changed.push({ verb: 'add', object });
        else if (isLater(resourceVersion, since)) changed.push({ verb: verbOf(object, sinceMs), object });
      } else if (!uid.startsWith(known.uid)) {
        seen.push(deleted(kind, keyOf(object), known));
        changed.push({ verb: 'add', object });
      } else if (known.version !== resourceVersion) changed.push({ verb: 'update', object });
    }
    return { seen: [...seen, ...changed.toSorted(byVersion)], notRemembered: this.#notRemembered };
  }

  /** One line an object, as many as fit into `charsMax`, and how many that leaves out. */
  write(charsMax: number): { readonly text: string; readonly notRemembered: number } {
    const lines: string[] = [];
    let chars = 0;
    for (const [key, { uid, version }] of this.#objects) {
      const line = `${key} ${uid} ${version}\n`;
      chars += line.length;
      if (chars > charsMax) break;
      lines.push(line);
    }
    return { text: lines.join(''), notRemembered: this.#notRemembered + this.#objects.size - lines.length };
  }

  /** What write() had room for. */
  read(text: string): void {
    for (const line of text.split('\n')) {
      const [key = '', uid = '', version = ''] = line.split(' ');
      if (version !== '') this.#put(key, { uid, version }, true);
    }
  }

  #put(key: string, known: Known, isNew: boolean): void {
    if (!this.#objects.has(key)) {
      if (this.#room.left <= 0) {
        if (isNew) this.#notRemembered += 1;
        return; // O2
      }
      this.#room.left -= 1;
      if (!isNew && this.#notRemembered > 0) this.#notRemembered -= 1;
    }
    this.#objects.set(key, known);
  }
}

/** Nothing is left of it but its names, and the version that was seen last. */
function deleted({ apiVersion, kind }: KindName, key: string, { version }: Known): Seen {
  const slash = key.indexOf('/');
  const namespace = slash < 0 ? {} : { namespace: key.slice(0, slash) };
  const metadata = { name: key.slice(slash + 1), ...namespace, resourceVersion: version };
  return { verb: 'delete', object: { apiVersion, kind, metadata } };
}

const verbOf = ({ metadata: { creationTimestamp = '' } }: Resource, sinceMs: number): Seen['verb'] =>
  Date.parse(creationTimestamp) >= sinceMs ? 'add' : 'update';

const versionOf = ({ object }: Seen): string => object.metadata.resourceVersion ?? '';

function byVersion(a: Seen, b: Seen): number {
  if (isLater(versionOf(a), versionOf(b))) return 1;
  return isLater(versionOf(b), versionOf(a)) ? -1 : 0;
}

/** Versions are decimal numbers that grow (KEP-5504); of any others none is known to be the older. */
export function isLater(version: string, than: string): boolean {
  if (!isDecimal(version) || !isDecimal(than)) return version !== than;
  return version.length === than.length ? version > than : version.length > than.length;
}

const isDecimal = (version: string): boolean => /^\d+$/.test(version);
