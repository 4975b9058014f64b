import { describe, expect, it } from 'vitest';
import { localHostsOf, publicHostOf, scaleTargetOf, taggedName } from '../../src/serving/plan.ts';

describe('the hosts of a service', () => {
  it('are its public name and three names inside the cluster, and the same for a tag', () => {
    expect(publicHostOf('demo', 'web', 'Example.COM')).toBe('web.demo.example.com');
    expect(localHostsOf('demo', 'web')).toEqual(['web.demo', 'web.demo.svc', 'web.demo.svc.cluster.local']);
    expect(publicHostOf('demo', taggedName('web', 'blue'), 'localhost')).toBe('blue-web.demo.localhost');
    expect(localHostsOf('demo', taggedName('web', undefined))[0]).toBe('web.demo');
  });
});

describe('the target of one instance', () => {
  const of = (given: Partial<Parameters<typeof scaleTargetOf>[0]>): number =>
    scaleTargetOf({
      metric: 'concurrency',
      containerConcurrency: 0,
      target: undefined,
      defaultTarget: 100,
      utilizationPercent: 70,
      ...given,
    });

  it.each<[string, Parameters<typeof of>[0], number]>([
    ['70 of the default 100', {}, 70],
    ['of containerConcurrency when that is given', { containerConcurrency: 10 }, 7],
    ['of the annotation', { target: 50 }, 35],
    ['never above containerConcurrency', { target: 50, containerConcurrency: 10 }, 7],
    ['of the annotation below containerConcurrency', { target: 5, containerConcurrency: 10 }, 3.5],
    [
      'of requests a second, whatever containerConcurrency is',
      { metric: 'rps', defaultTarget: 200, containerConcurrency: 1 },
      140,
    ],
    ['all of it at 100 %', { utilizationPercent: 100, target: 3 }, 3],
    ['at least 0.01', { target: 0.01, utilizationPercent: 1 }, 0.01],
  ])('is %s', (_, given, target) => {
    expect(of(given)).toBeCloseTo(target, 10);
  });
});
