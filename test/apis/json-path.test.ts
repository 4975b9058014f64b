import { describe, expect, it } from 'vitest';
import { valueAt } from '../../src/apis/json-path.ts';

const OBJECT = {
  metadata: { labels: { 'serving.knative.dev/configuration': 'shop' } },
  spec: { ports: [{ port: 80 }, { port: 443 }] },
  status: {
    conditions: [
      { type: 'Active', status: 'False' },
      { type: 'Ready', status: 'True', reason: '' },
    ],
  },
};

describe('a column path', () => {
  it.each([
    ['.spec.ports[1].port', 443],
    ['.spec.ports[*].port', 80],
    ['.status.conditions[?(@.type=="Ready")].status', 'True'],
    [".status.conditions[?(@.type=='Active')].status", 'False'],
    ['.status.conditions[?(@.type=="Ready")].reason', ''],
    [".metadata.labels['serving\\.knative\\.dev/configuration']", 'shop'],
  ])('%s finds %j', (path, value) => {
    expect(valueAt(OBJECT, path)).toBe(value);
  });

  it.each([
    '.spec.ports[2].port',
    '.status.conditions[?(@.type=="Gone")].status',
    '.spec.ports.port',
    '.spec.constructor.name',
    '.__proto__',
    '.metadata.labels.none.deeper',
  ])('%s finds nothing, and does not fail', (path) => {
    expect(valueAt(OBJECT, path)).toBeUndefined();
  });

  it('that is not understood is an error rather than an empty column', () => {
    expect(() => valueAt(OBJECT, '.spec..ports')).toThrow('is not understood');
    expect(() => valueAt(OBJECT, 'spec')).toThrow('is not understood');
  });
});
