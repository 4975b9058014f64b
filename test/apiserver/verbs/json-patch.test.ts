import { describe, expect, it } from 'vitest';
import { applyPatch } from '../../../src/apiserver/verbs/patch.ts';
import type { Resource } from '../../../src/apis/resource.ts';

type Labelled = Resource & { readonly list: readonly string[] };
const stored: Labelled = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', labels: { 'example.dev/size': 'big', 'a~b': 'tilde' } },
  list: ['one', 'two'],
};
const patched = (...operations: readonly object[]): Labelled =>
  applyPatch('application/json-patch+json', stored, operations) as Labelled;

describe('a JSON patch (RFC 6902)', () => {
  it.each([
    ['add', { value: 'new' }, { 'example.dev/size': 'new', 'a~b': 'tilde' }],
    ['replace', { value: 'small' }, { 'example.dev/size': 'small', 'a~b': 'tilde' }],
    ['remove', {}, { 'a~b': 'tilde' }],
  ])('may %s a member whose name has a slash', (op, more, labels) => {
    const { metadata } = patched({ op, path: '/metadata/labels/example.dev~1size', ...more });
    expect(metadata.labels).toEqual(labels);
  });

  it('may move and copy to names with a slash or a tilde', () => {
    const { metadata } = patched(
      { op: 'move', from: '/metadata/labels/example.dev~1size', path: '/metadata/labels/example.dev~1x~1y' },
      { op: 'copy', from: '/metadata/labels/a~0b', path: '/metadata/labels/c~01d' },
      { op: 'test', path: '/metadata/labels/example.dev~1x~1y', value: 'big' },
    );
    expect(metadata.labels).toEqual({ 'example.dev/x/y': 'big', 'a~b': 'tilde', 'c~1d': 'tilde' });
  });

  it('changes lists by index, and appends to them', () => {
    const { list } = patched(
      { op: 'remove', path: '/list/0' },
      { op: 'add', path: '/list/-', value: 'three' },
    );
    expect(list).toEqual(['two', 'three']);
  });

  it.each([
    [
      { op: 'remove', path: '/metadata/labels/example.dev/size' },
      '/metadata/labels/example.dev/size, which is not there',
    ],
    [
      { op: 'add', path: '/metadata/annotations/a~1b', value: '' },
      '/metadata/annotations/a~1b, which is not there',
    ],
    [{ op: 'replace', path: '/list/7', value: '' }, '/list/7, which is not there'],
  ])('names what is not there: %j', (operation, message) => {
    expect(() => patched(operation)).toThrow(`the JSON patch names ${message}`);
  });
});
