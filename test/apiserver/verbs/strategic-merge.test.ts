import { describe, expect, it } from 'vitest';
import { POD_RULES, METADATA_RULES, type PatchRules } from '../../../src/apis/patch-rules.ts';
import { applyPatch } from '../../../src/apiserver/verbs/patch.ts';
import { strategicMerge } from '../../../src/apiserver/verbs/strategic-merge.ts';

const POD: PatchRules = { ...METADATA_RULES, ...POD_RULES };
const containers = (...items: readonly object[]) => ({ spec: { containers: items } });
const finalizers = (...values: readonly string[]) => ({ metadata: { finalizers: values } });
const a = { name: 'a', image: 'one' };
const b = { name: 'b', image: 'two' };
const c = { name: 'c', image: 'three' };
const d = { name: 'd', image: 'four' };

type Case = readonly [title: string, target: object, patch: object, merged: object];

// apimachinery's documented cases: sig-api-machinery/strategic-merge-patch.md, and its additions on order and retained keys.
const CASES: readonly Case[] = [
  ['sets, changes and removes members', { x: 1, y: 2, z: 3 }, { x: 4, y: null }, { x: 4, z: 3 }],
  ['merges objects by their members', { s: { x: 1, y: 2 } }, { s: { y: 3 } }, { s: { x: 1, y: 3 } }],
  ['replaces a list that has no key', { args: ['a', 'b'] }, { args: ['c'] }, { args: ['c'] }],
  [
    'merges a list by its key, and adds to its end',
    containers(a, b),
    containers({ name: 'b', image: 'new' }, c),
    containers(a, { name: 'b', image: 'new' }, c),
  ],
  [
    'deletes an item by its key',
    containers(a, b),
    containers({ name: 'a', $patch: 'delete' }),
    containers(b),
  ],
  [
    'replaces a list that is told to be',
    containers(a, b),
    containers(c, { $patch: 'replace' }),
    containers(c),
  ],
  [
    'replaces an object that is told to be',
    { spec: { x: 1, y: 2 } },
    { spec: { z: 3, $patch: 'replace' } },
    { spec: { z: 3 } },
  ],
  [
    'empties an object that is told to be deleted',
    { spec: { x: 1 } },
    { spec: { $patch: 'delete' } },
    { spec: {} },
  ],
  [
    'merges lists within items by their own key',
    containers({ ...a, ports: [{ containerPort: 80, name: 'x' }], env: [{ name: 'A', value: '1' }] }),
    containers({ name: 'a', ports: [{ containerPort: 80, name: 'y' }], env: [{ name: 'B', value: '2' }] }),
    containers({
      ...a,
      ports: [{ containerPort: 80, name: 'y' }],
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
    }),
  ],
  [
    'takes an item’s variable away by null',
    containers({ ...a, env: [{ name: 'A', value: '1' }] }),
    containers({ name: 'a', env: [{ name: 'A', value: null, valueFrom: { x: 1 } }] }),
    containers({ ...a, env: [{ name: 'A', valueFrom: { x: 1 } }] }),
  ],
  [
    'adds plain values that are not there',
    finalizers('a', 'b'),
    finalizers('b', 'c'),
    finalizers('a', 'b', 'c'),
  ],
  [
    'deletes plain values',
    finalizers('a', 'b', 'c'),
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'] } },
    finalizers('a', 'c'),
  ],
  [
    'puts items in the order that it is told',
    containers(a, b, c),
    { spec: { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'b' }] } },
    containers(c, a, b),
  ],
  [
    'leaves what the order does not name where it was among the others',
    containers(a, b, c),
    { spec: { '$setElementOrder/containers': [{ name: 'd' }, { name: 'c' }], containers: [d] } },
    containers(d, a, b, c),
  ],
  [
    'orders plain values',
    finalizers('a', 'b'),
    { metadata: { '$setElementOrder/finalizers': ['c', 'b', 'a'], finalizers: ['c'] } },
    finalizers('c', 'b', 'a'),
  ],
  [
    'keeps only the members that are retained',
    { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } },
    { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    { spec: { strategy: { type: 'Recreate' } } },
  ],
  [
    'makes another source of a volume',
    { spec: { volumes: [{ name: 'v', emptyDir: {} }] } },
    { spec: { volumes: [{ name: 'v', $retainKeys: ['name', 'secret'], secret: { secretName: 's' } }] } },
    { spec: { volumes: [{ name: 'v', secret: { secretName: 's' } }] } },
  ],
  ['makes what was not there', {}, containers(a), containers(a)],
];

describe('a strategic merge patch', () => {
  it.each(CASES)('%s', (_, target, patch, merged) => {
    expect(strategicMerge(target, patch, POD)).toEqual(merged);
  });

  it.each([
    ['an item without its key', containers({ image: 'x' }), /does not contain declared merge key: name/],
    [
      'a directive that is none',
      { spec: { $patch: 'merge-all' } },
      /Unknown patch type found. \$patch: "merge-all"/,
    ],
    ['an order that is no list', { spec: { '$setElementOrder/containers': 3 } }, /is no list/],
    ['a list directive that is none', { spec: { '$sort/containers': [] } }, /is no directive/],
  ])('is refused with %s', (_, patch, text) => {
    expect(() => strategicMerge(containers(a), patch, POD)).toThrow(text);
  });

  it('of a custom resource’s list is not taken, since nobody knows its keys', () => {
    const object = { apiVersion: 'x/v1', kind: 'X', metadata: { name: 'x' } };
    expect(() => applyPatch('application/strategic-merge-patch+json', object, finalizers('a'))).toThrow(
      /of a custom resource with a list/,
    );
  });

  it('takes no name of a member for more than a name', () => {
    const patch: unknown = JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}');
    expect(JSON.stringify(strategicMerge({}, patch, POD))).toBe(
      '{"__proto__":{"polluted":true},"constructor":1}',
    );
    expect(Reflect.get({}, 'polluted')).toBeUndefined();
  });
});
