import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { isLater, KnownObjects, type Difference } from '../../../src/sources/kubernetes/known-objects.ts';

const KIND = { apiVersion: 'v1', kind: 'Pod' };
const NOON = Date.UTC(2026, 0, 1, 12);
const object = (name: string, version: string, more: Partial<Resource['metadata']> = {}): Resource => ({
  ...KIND,
  metadata: { name, namespace: 'shop', uid: `${name}-uid-1234`, resourceVersion: version, ...more },
});
const told = ({ seen }: Difference): string[] =>
  seen.map(({ verb, object: { metadata } }) => `${verb} ${metadata.name}`);

function knowing(room: number, ...objects: Resource[]): KnownObjects {
  const known = new KnownObjects({ left: room });
  known.replace(objects);
  return known;
}

describe('what a relist is compared with', () => {
  it('tells what is new, what has another version and what is gone, and nothing of the rest', () => {
    const known = knowing(100, object('same', '1'), object('changed', '2'), object('gone', '3'));
    const items = [object('new', '9'), object('changed', '8'), object('same', '1')];
    expect(told(known.compare(KIND, items, '5', NOON))).toEqual(['delete gone', 'update changed', 'add new']);
  });

  it('tells of an object that was deleted and made again both things', () => {
    const known = knowing(100, object('again', '1'));
    const items = [object('again', '7', { uid: 'another-uid' })];
    expect(told(known.compare(KIND, items, '5', NOON))).toEqual(['delete again', 'add again']);
  });

  it('names what is gone by its names and the version that was seen last', () => {
    const [gone] = knowing(100, object('gone', '3')).compare(KIND, [], '5', NOON).seen;
    const metadata = { name: 'gone', namespace: 'shop', resourceVersion: '3' };
    expect(gone).toEqual({ verb: 'delete', object: { ...KIND, metadata } });
  });

  it('is what was taken, as it was taken', () => {
    const known = knowing(100);
    known.note(object('a', '1'), true);
    known.note(object('a', '2'), false);
    known.note(object('b', '3'), true);
    known.forget(object('b', '4'));
    expect(told(known.compare(KIND, [object('a', '2')], '4', NOON))).toEqual([]);
    expect(known.size).toBe(1);
  });

  it('beyond its room knows changes by their version, and says how many deletions it could miss', () => {
    const known = knowing(1, object('kept', '1'), object('left-out', '2'), object('left-out-too', '3'));
    const made = { creationTimestamp: '2026-01-01T12:00:01Z' };
    const items = [object('left-out', '2'), object('left-out-too', '8'), object('new', '9', made)];
    const difference = known.compare(KIND, items, '5', NOON);
    expect(told(difference)).toEqual(['delete kept', 'update left-out-too', 'add new']);
    expect(difference.notRemembered).toBe(2);
  });

  it('gives its room back', () => {
    const room = { left: 2 };
    const [one, two] = [new KnownObjects(room), new KnownObjects(room)];
    one.replace([object('a', '1'), object('b', '2')]);
    two.note(object('c', '3'), true);
    expect(two.size).toBe(0);
    one.clear();
    two.note(object('c', '4'), false);
    expect(two.size).toBe(1);
    expect(two.compare(KIND, [], '9', NOON).notRemembered).toBe(0);
  });

  it('survives in a text, as far as that has room', () => {
    const objects = ['a', 'b', 'c'].map((name) => object(name, '1'));
    const { text } = knowing(100, ...objects).write(10_000);
    const read = new KnownObjects({ left: 100 });
    read.read(text);
    expect(read.compare(KIND, objects, '1', NOON).seen).toEqual([]);
    expect(told(read.compare(KIND, [], '1', NOON))).toEqual(['delete a', 'delete b', 'delete c']);
    const cut = knowing(100, ...objects).write(text.length - 1);
    expect(cut).toEqual({ text: text.slice(0, (text.length / 3) * 2), notRemembered: 1 });
  });

  it('compares versions as numbers, and takes what is none for another', () => {
    expect(isLater('10', '9')).toBe(true);
    expect(isLater('9', '10')).toBe(false);
    expect(isLater('9', '9')).toBe(false);
    expect(isLater('x', 'y')).toBe(true);
  });
});
