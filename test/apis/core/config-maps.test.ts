import { describe, expect, it } from 'vitest';
import { configMapErrors } from '../../../src/apis/core/config-maps.ts';
import { upstreamAnswers } from '../../kit/upstream.ts';

type Case = {
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
  readonly answer: { readonly fault?: string };
};

/** What is said of it; upstream's own `allow-zero-initial-scale` where it is not said. */
function faultOf({ name, data }: Case): string {
  const shipped = name === 'config-autoscaler' ? { 'allow-zero-initial-scale': 'false' } : {};
  const metadata = { name, namespace: 'knative-serving' };
  const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { ...shipped, ...data } };
  return configMapErrors(object)[0]?.message ?? '';
}

/** Refused here on purpose, or in other words. */
const ON_PURPOSE: readonly { readonly why: string; readonly is: (asked: Case) => boolean }[] = [
  { why: 'NaN would stop the autoscaler', is: has((value) => value === 'NaN') },
  { why: 'a quantity without a number is none', is: has((value) => value === 'm') },
  { why: 'a container is named after name and namespace alone', is: has((value) => value.includes('.UID')) },
  { why: 'YAML that is none is told in its reader’s words', is: has((value) => value === '{') },
];

function has(is: (value: string) => boolean): (asked: Case) => boolean {
  return ({ data }) => Object.values(data).some(is);
}

describe('a ConfigMap of Knative Serving', () => {
  const cases = upstreamAnswers<Case>('config-maps');
  const names = [...new Set(cases.map(({ name }) => name))];

  it.each(names)('%s is taken, or refused, as upstream’s webhook does it', (name) => {
    const asked = cases.filter((each) => each.name === name && !ON_PURPOSE.some(({ is }) => is(each)));
    expect(asked.length).toBeGreaterThan(100);
    const others = asked.filter((each) => faultOf(each) !== (each.answer.fault ?? ''));
    expect(others.map((each) => ({ ...each, ours: faultOf(each) })).slice(0, 5)).toEqual([]);
  });

  it.each(ON_PURPOSE)('is refused because $why', ({ is }) => {
    const asked = cases.filter((each) => is(each) && Object.keys(each.data).length === 1);
    expect(asked.length).toBeGreaterThan(0);
    for (const each of asked.filter(({ data }) => !('odd' in data))) expect(faultOf(each)).not.toBe('');
  });
});
