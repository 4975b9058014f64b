import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exposition, Histogram } from '../../src/telemetry/exposition.ts';
import { parseExposition } from '../kit/exposition.ts';

describe('the text format of metrics', () => {
  it('writes each family once, with its help and type, and none that has no series', () => {
    expect(
      exposition([
        {
          name: 'a_total',
          type: 'counter',
          help: 'All of\nthem.',
          samples: [{ labels: { x: 'y' }, value: 1 }],
        },
        { name: 'b', type: 'gauge', samples: [] },
      ]),
    ).toBe('# HELP a_total All of\\nthem.\n# TYPE a_total counter\na_total{x="y"} 1\n');
  });

  it('writes a histogram with rising buckets, the last of which counts all', () => {
    const histogram = new Histogram([10, 100]);
    for (const value of [1, 10, 11, 1000]) histogram.observe(value);
    const samples = histogram.samples({ of: 'x' }, 0.001);
    expect(exposition([{ name: 'h_seconds', type: 'histogram', samples }])).toBe(
      '# TYPE h_seconds histogram\n' +
        'h_seconds_bucket{of="x",le="0.01"} 2\n' +
        'h_seconds_bucket{of="x",le="0.1"} 3\n' +
        'h_seconds_bucket{of="x",le="+Inf"} 4\n' +
        'h_seconds_sum{of="x"} 1.022\n' +
        'h_seconds_count{of="x"} 4\n',
    );
  });

  it('is read back as it was written, whatever labels hold', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { maxLength: 5 }), (values) => {
        const samples = values.map((x, i) => ({ labels: { x, i: String(i) }, value: i }));
        const read = parseExposition(exposition([{ name: 'm', type: 'gauge', samples }]));
        expect(read.get('m')?.samples ?? []).toEqual(samples.map((sample) => ({ name: 'm', ...sample })));
      }),
    );
  });
});
