import { describe, expect, it } from 'vitest';
import { drawTaker, wayOf } from '../../../src/serving/gateway/taker.ts';
import type { RoutePlan } from '../../../src/serving/plan.ts';

const to = (revision: string): Pick<RoutePlan, 'targets'> => ({ targets: [{ revision, percent: 100 }] });
const hosts = { key: 'k', publicHosts: [], localHosts: [] };

describe('the way of a path', () => {
  const byPath = ['/api/v2', '/static/', '/api'].map((prefix) => ({ prefix, ...to(prefix) }));
  const route: RoutePlan = { ...hosts, ...to('else'), byPath };

  it.each([
    ['/', 'else'],
    ['/api', '/api'],
    ['/api/', '/api'],
    ['/api/orders?a=/x', '/api'],
    ['/api?x', '/api'],
    ['/api/v2', '/api/v2'],
    ['/api/v2/orders', '/api/v2'],
    ['/api/v20', '/api'],
    ['/apis', 'else'],
    ['/API', 'else'],
    ['/static', 'else'],
    ['/static/x', '/static/'],
    ['/x?y=/api', 'else'],
    ['/x/api', 'else'],
    ['*', 'else'],
  ])('%s is that of %s: the longest, by whole segments', (target, found) => {
    expect(wayOf(route, target).targets[0]?.revision).toBe(found);
  });

  it('is everything where all of it is given', () => {
    expect(wayOf({ ...hosts, ...to('else'), byPath: [{ prefix: '/', ...to('all') }] }, '/x')).toMatchObject(
      to('all'),
    );
  });
});

describe('who takes a request', () => {
  const inside: RoutePlan = {
    ...hosts,
    ...to('r1'),
    addedHeaders: ['Knative-Serving-Default-Route', 'true'],
    byHeader: [{ header: 'knative-serving-tag', value: 'blue', ...to('r2') }],
  };
  const mapped: RoutePlan = { ...hosts, targets: [], to: 'web.n.svc.cluster.local' };
  const draw = (headers: Record<string, string>, local: RoutePlan | undefined = inside): unknown =>
    drawTaker(mapped, { host: 'shop.example', target: '/', headers }, () => local, Math.random);

  it('is decided by the route of the name that a domain is handed on to, as it is then', () => {
    const addedHeaders = inside.addedHeaders;
    expect(draw({})).toEqual({ revision: 'r1', addedHeaders });
    expect(draw({ 'knative-serving-tag': 'blue' })).toEqual({ revision: 'r2', addedHeaders: undefined });
    const port = { ...hosts, targets: [], byPort: new Map([[0, [{ revision: 'port', percent: 100 }]]]) };
    expect(draw({}, port)).toMatchObject({ revision: 'port' });
  });

  it('is nobody when nobody answers to that name', () => {
    const asked = { host: 'shop.example', target: '/', headers: {} };
    expect(drawTaker(mapped, asked, () => undefined, Math.random)).toEqual({
      unanswered: 'web.n.svc.cluster.local',
    });
  });
});
