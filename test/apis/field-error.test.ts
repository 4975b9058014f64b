import { describe, expect, it } from 'vitest';
import {
  below,
  denialText,
  disallowedField,
  immutable,
  invalidValue,
  missingField,
  oneOf,
  outOfBounds,
  renderFieldErrors,
} from '../../src/apis/field-error.ts';

describe('field errors', () => {
  it.each([
    [missingField('spec.b', 'spec.a'), 'missing field(s): spec.a, spec.b'],
    [disallowedField('url'), 'must not set the field(s): url'],
    [invalidValue('x', 'spec.mode'), 'invalid value: x: spec.mode'],
    [invalidValue(-1, 'retry', 'too small'), 'invalid value: -1: retry\ntoo small'],
    [outOfBounds(601, 0, 600, 'timeoutSeconds'), 'expected 0 <= 601 <= 600: timeoutSeconds'],
    [oneOf('ref', 'uri'), 'expected exactly one, got neither: ref, uri'],
  ])('are told as Knative tells them', (error, text) => {
    expect(renderFieldErrors([error])).toBe(text);
  });

  it('of one text become one line that names every path once', () => {
    const errors = [
      missingField('spec.b'),
      oneOf('ref', 'uri'),
      missingField('spec.a'),
      missingField('spec.b'),
    ];
    expect(renderFieldErrors(errors)).toBe(
      'expected exactly one, got neither: ref, uri\nmissing field(s): spec.a, spec.b',
    );
  });

  it('with different details stay apart', () => {
    const errors = [invalidValue('x', 'a', 'two'), invalidValue('x', 'b', 'one')];
    expect(renderFieldErrors(errors)).toBe('invalid value: x: b\none\ninvalid value: x: a\ntwo');
  });

  it('move below a path, an index without a dot, the field itself without a trail', () => {
    const errors = below('spec', [missingField('ref'), missingField('[0].name'), missingField('')]);
    expect(errors.map(({ paths }) => paths[0])).toEqual(['spec.ref', 'spec[0].name', 'spec']);
  });

  it('say old and new of what must not change', () => {
    const [before, after] = [
      { kind: 'Channel', name: 'a' },
      { name: 'b', kind: 'Channel' },
    ];
    expect(renderFieldErrors(immutable('{v1.SubscriptionSpec}.Channel', before, after))).toBe(
      'Immutable fields changed (-old +new): spec\n{v1.SubscriptionSpec}.Channel.Name:\n\t-: "a"\n\t+: "b"\n',
    );
  });

  it('see no change in another order of members, and one in every item of a list', () => {
    expect(immutable('{x}', { a: 1, b: [{ c: 2, d: 3 }] }, { b: [{ d: 3, c: 2 }], a: 1 })).toEqual([]);
    expect(immutable('{x}', [1, 2], [1])[0]?.details).toBe('{x}[1]:\n\t-: "2"\n');
  });

  it('are signed by the webhook that denies', () => {
    expect(denialText('validation.webhook.serving.knative.dev', [missingField('spec')])).toBe(
      'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: missing field(s): spec',
    );
  });
});
