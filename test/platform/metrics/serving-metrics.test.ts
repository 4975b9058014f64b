import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServingMetrics } from '../../../src/platform/metrics/serving-metrics.ts';
import type { Scaled } from '../../../src/platform/metrics/scale-metrics.ts';
import { exposition } from '../../../src/telemetry/exposition.ts';
import { publishSignal, type Wake } from '../../../src/telemetry/signals.ts';
import { parseExposition, type ReadFamily } from '../../kit/exposition.ts';

const NOW = {
  k8s_namespace_name: 'demo',
  kn_service_name: 'hello',
  kn_configuration_name: 'hello',
  kn_revision_name: 'hello-00001',
};
const FORMER = {
  namespace_name: 'demo',
  service_name: 'hello',
  configuration_name: 'hello',
  revision_name: 'hello-00001',
};
let metrics: ServingMetrics;
let gone: Set<string>;
beforeEach(() => {
  gone = new Set();
  metrics = new ServingMetrics(
    (key) => {
      const [namespace = '', revision = ''] = key.split('/');
      return { namespace, service: 'hello', configuration: 'hello', revision };
    },
    (key) => !gone.has(key),
  );
});
afterEach(() => metrics.close());

const answer = (code: number, tookMs: number, wake?: Wake, revision = 'demo/hello-00001', atMs = 1): void =>
  publishSignal('serving.answered', {
    id: '',
    source: '',
    type: '',
    atMs,
    revision,
    instance: 'i',
    code,
    wake,
    tookMs,
  });
const read = (up: readonly Scaled[] = []): ReadonlyMap<string, ReadFamily> =>
  parseExposition(exposition(metrics.families(up)));
const samplesOf = (name: string, up?: readonly Scaled[]): ReadFamily['samples'] =>
  read(up).get(name)?.samples ?? [];

describe('metrics of Serving', () => {
  it('count answers and their times under the names of today and of before', () => {
    answer(200, 30);
    answer(200, 3000);
    answer(503, 1);
    expect(samplesOf('revision_request_count')).toEqual([
      {
        name: 'revision_request_count',
        labels: { ...FORMER, response_code: '200', response_code_class: '2xx' },
        value: 2,
      },
      {
        name: 'revision_request_count',
        labels: { ...FORMER, response_code: '503', response_code_class: '5xx' },
        value: 1,
      },
    ]);
    const ok = { ...NOW, http_response_status_code: '200' };
    const name = 'kn_serving_invocation_duration_seconds';
    expect(samplesOf(name)).toContainEqual({ name: `${name}_sum`, labels: ok, value: 3.03 });
    expect(samplesOf(name)).toContainEqual({
      name: `${name}_bucket`,
      labels: { ...ok, le: '0.05' },
      value: 1,
    });
    expect(samplesOf('revision_request_latencies')).toContainEqual({
      name: 'revision_request_latencies_bucket',
      labels: { ...FORMER, response_code: '200', response_code_class: '2xx', le: '40' },
      value: 1,
    });
  });

  it('tell a wake phase by phase, and leave the wait out of what the instance took', () => {
    answer(200, 12, {
      queuedMs: 0,
      from: 'pool',
      startedMs: 1,
      loadedMs: 6,
      readyMs: 8,
      firstByteMs: 11,
    });
    const sums = samplesOf('millrace_wake_seconds').filter(({ name }) => name.endsWith('_sum'));
    expect(sums.map(({ labels, value }) => [labels['phase'], value])).toEqual([
      ['queued', 0],
      ['pooled', 0.001],
      ['loaded', 0.005],
      ['ready', 0.002],
      ['first_byte', 0.003],
      ['answered', 0.001],
    ]);
    const duration = samplesOf('kn_serving_invocation_duration_seconds');
    expect(duration.find(({ name }) => name.endsWith('_sum'))?.value).toBe(0.004);
    expect(samplesOf('activator_request_count')).toMatchObject([{ value: 1 }]);
    const held = samplesOf('activator_request_latencies');
    expect(held.find(({ name }) => name.endsWith('_sum'))?.value).toBe(12);
    expect(samplesOf('revision_app_request_count')).toMatchObject([{ value: 1 }]);
  });

  it('have no series of a revision that was never asked', () => {
    expect(read().size).toBe(0);
  });

  it('count revisions beyond a thousand together', () => {
    for (let i = 0; i < 1005; i += 1) answer(200, 1, undefined, `demo/hello-${i}`);
    const counts = samplesOf('revision_request_count');
    expect(counts).toHaveLength(1001);
    expect(counts.at(-1)).toMatchObject({ labels: { service_name: 'other' }, value: 5 });
  });

  it('count a new revision by itself again once others of the thousand are gone', () => {
    for (let i = 0; i < 1000; i += 1) answer(200, 1, undefined, `demo/hello-${i}`);
    answer(200, 1, undefined, 'demo/early');
    for (let i = 0; i < 10; i += 1) gone.add(`demo/hello-${i}`);
    answer(200, 1, undefined, 'demo/early', 30_000); // within a minute nobody looks
    answer(200, 1, undefined, 'demo/late', 60_001);
    const named = samplesOf('revision_request_count').map(({ labels }) => labels['revision_name']);
    expect(named).toHaveLength(992);
    expect(named.slice(-2)).toEqual(['other', 'late']);
    expect(named).not.toContain('hello-0');
  });

  it('tell what the autoscaler sees and wants, of what is up', () => {
    const scaled = {
      revision: 'demo/hello-00001',
      ready: 1,
      desired: 3,
      inFlight: 2,
      waiting: 4,
      instances: [
        { id: 'a', state: 'ready', inFlight: 2 },
        { id: 'b', state: 'starting', inFlight: 0 },
        { id: 'c', state: 'draining', inFlight: 0 },
      ],
      trouble: undefined,
      reading: { stable: 5, panic: 6, isPanicking: true, excess: -7 },
      plan: { scale: { metric: 'concurrency', target: 70 } },
    } as unknown as Scaled;
    const values = Object.fromEntries(
      [...read([scaled])].map(([name, { samples }]) => [name, samples[0]?.value]),
    );
    const today = {
      kn_revision_pods_desired: 3,
      kn_revision_pods_requested: 2,
      kn_revision_pods_count: 1,
      kn_revision_pods_not_ready_count: 0,
      kn_revision_pods_pending_count: 1,
      kn_revision_pods_terminating_count: 1,
      kn_revision_capacity_excess: -7,
      kn_revision_panic_mode: 1,
      kn_serving_queue_depth: 6,
      kn_revision_request_active: 2,
      kn_revision_request_concurrency: 6,
      kn_revision_request_queued: 4,
      revision_queue_depth: 6,
      kn_revision_concurrency_stable: 5,
      kn_revision_concurrency_panic: 6,
      kn_revision_concurrency_target: 70,
    };
    const before = {
      autoscaler_desired_pods: 3,
      autoscaler_requested_pods: 2,
      autoscaler_actual_pods: 1,
      autoscaler_not_ready_pods: 0,
      autoscaler_pending_pods: 1,
      autoscaler_terminating_pods: 1,
      autoscaler_excess_burst_capacity: -7,
      autoscaler_panic_mode: 1,
      activator_request_concurrency: 6,
      autoscaler_stable_request_concurrency: 5,
      autoscaler_panic_request_concurrency: 6,
      autoscaler_target_concurrency_per_pod: 70,
    };
    expect(values).toEqual({ ...today, ...before });
  });
});
