import { describe, expect, it } from 'vitest';
import { localHostsOf, publicHostOf, taggedName } from '../../src/serving/plan.ts';

describe('the hosts of a service', () => {
  it('are its public name and three names inside the cluster, and the same for a tag', () => {
    expect(publicHostOf('demo', 'web', 'Example.COM')).toBe('web.demo.example.com');
    expect(localHostsOf('demo', 'web')).toEqual(['web.demo', 'web.demo.svc', 'web.demo.svc.cluster.local']);
    expect(publicHostOf('demo', taggedName('web', 'blue'), 'localhost')).toBe('blue-web.demo.localhost');
    expect(localHostsOf('demo', taggedName('web', undefined))[0]).toBe('web.demo');
  });
});
