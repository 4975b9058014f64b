import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WorkQueue } from '../../../src/control/work-queue.ts';
import { ControlMetrics } from '../../../src/platform/metrics/control-metrics.ts';
import { exposition } from '../../../src/telemetry/exposition.ts';
import { parseExposition, type ReadFamily } from '../../kit/exposition.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { aService } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

let metrics: ControlMetrics;
beforeEach(() => {
  metrics = new ControlMetrics();
});
afterEach(() => metrics.close());

const samplesOf = (name: string): ReadFamily['samples'] =>
  parseExposition(exposition(metrics.families())).get(name)?.samples ?? [];
const valueOf = (name: string): number | undefined =>
  samplesOf(name).find((sample) => sample.name === name)?.value;

describe('metrics of control', () => {
  it('tell of a controller’s queue under the names of today and of before', async () => {
    const clock = new FakeClock();
    const gate = Promise.withResolvers<void>();
    let fails = true;
    const work = async (): Promise<undefined> => {
      await gate.promise;
      if (fails) throw new Error('not yet');
    };
    const meter = metrics.meterOf('service-controller');
    const queue = new WorkQueue({ clock, random: () => 0.5, concurrency: 1, work, meter });
    for (const key of ['a', 'b', 'b']) queue.add(key);
    expect(valueOf('kn_workqueue_depth')).toBe(1); // one has its turn
    expect(valueOf('kn_workqueue_adds_total')).toBe(2);
    await expect.poll(() => valueOf('kn_workqueue_longest_running_processor_seconds')).toBeGreaterThan(0);
    gate.resolve();
    await expect.poll(() => valueOf('controller_workqueue_retries_total')).toBe(2);
    fails = false;
    clock.advance(1000);
    await expect
      .poll(() =>
        samplesOf('controller_reconcile_count').map(({ labels, value }) => [labels['success'], value]),
      )
      .toEqual([
        ['true', 2],
        ['false', 2],
      ]);
    const counts = samplesOf('kn_workqueue_process_duration_seconds').filter(({ name }) =>
      name.endsWith('_count'),
    );
    expect(counts).toMatchObject([{ labels: { name: 'service-controller' }, value: 4 }]);
    expect([valueOf('kn_workqueue_depth'), valueOf('kn_workqueue_unfinished_work_seconds')]).toEqual([0, 0]);
    await queue.close();
  });

  it('count the Events of Pods that found no room', () => {
    metrics.eventDropped();
    expect(valueOf('millrace_pod_events_dropped_total')).toBe(1);
  });

  it('tell of admission what Knative’s webhook does, refusals too, and of its kinds alone', async () => {
    const world = await World.open();
    await world.apply(aService());
    await world.refusal(aService({ spec: { containerConcurrency: -1 } }));
    await world.configMap('default', 'plain', {});
    const seen = samplesOf('webhook_request_count').map(({ labels, value }) => [
      labels['request_operation'],
      labels['kind_kind'],
      labels['admission_allowed'],
      value,
    ]);
    expect(seen).toContainEqual(['CREATE', 'Service', 'true', 1]);
    expect(seen).toContainEqual(['UPDATE', 'Service', 'false', 1]);
    expect(seen.some(([, kind]) => kind === 'ConfigMap')).toBe(false);
    const now = samplesOf('kn_webhook_handler_duration_seconds');
    expect(now.find(({ name }) => name.endsWith('_count'))?.labels).toMatchObject({
      kn_webhook_type: 'admission',
      kn_webhook_admission_group: 'serving.knative.dev',
      kn_webhook_admission_version: 'v1',
    });
    await world.close();
  });
});
