import type { Family, Labels } from '../../telemetry/exposition.ts';
import type { RevisionPlan } from '../../serving/plan.ts';
import type { RevisionSnapshot } from '../../serving/serving.ts';
import { labelsFormer, labelsNow, type RevisionIdentity } from './identity.ts';

/** A revision that is up, with what its plan says. */
export type Scaled = RevisionSnapshot & { readonly plan: RevisionPlan };

/** What is said of a revision that is up, and under which names: today's first. */
const GAUGES: readonly {
  readonly names: readonly [now: string, former?: string];
  readonly help: string;
  readonly value: (scaled: Scaled) => number | undefined;
}[] = [
  {
    names: ['kn_revision_pods_desired', 'autoscaler_desired_pods'],
    help: 'Instances that the autoscaler wants.',
    value: ({ desired }) => desired,
  },
  {
    names: ['kn_revision_pods_requested', 'autoscaler_requested_pods'],
    help: 'Instances that were asked for.',
    value: ({ instances }) => instances.filter(({ state }) => state !== 'draining').length,
  },
  {
    names: ['kn_revision_pods_count', 'autoscaler_actual_pods'],
    help: 'Instances that are ready.',
    value: ({ ready }) => ready,
  },
  {
    names: ['kn_revision_pods_not_ready_count', 'autoscaler_not_ready_pods'],
    help: 'Instances that were ready and are not.',
    value: ({ instances }) => instances.filter(({ state }) => state === 'suspect').length,
  },
  {
    names: ['kn_revision_pods_pending_count', 'autoscaler_pending_pods'],
    help: 'Instances that start.',
    value: ({ instances }) => instances.filter(({ state }) => state === 'starting').length,
  },
  {
    names: ['kn_revision_pods_terminating_count', 'autoscaler_terminating_pods'],
    help: 'Instances that end.',
    value: ({ instances }) => instances.filter(({ state }) => state === 'draining').length,
  },
  {
    names: ['kn_revision_capacity_excess', 'autoscaler_excess_burst_capacity'],
    help: 'Burst capacity beyond what is to be kept.',
    value: ({ reading }) => reading?.excess,
  },
  {
    names: ['kn_revision_panic_mode', 'autoscaler_panic_mode'],
    help: '1 while the autoscaler is in panic mode.',
    value: ({ reading }) => (reading === undefined ? undefined : Number(reading.isPanicking)),
  },
  {
    names: ['kn_serving_queue_depth', 'revision_queue_depth'],
    help: 'Requests that wait or are in flight.',
    value: ({ inFlight, waiting }) => inFlight + waiting,
  },
  {
    names: ['kn_revision_request_concurrency', 'activator_request_concurrency'],
    help: 'The same: all requests come by the activator.',
    value: ({ inFlight, waiting }) => inFlight + waiting,
  },
  {
    names: ['kn_revision_request_queued'],
    help: 'Requests that wait for an instance.',
    value: ({ waiting }) => waiting,
  },
  {
    names: ['kn_revision_request_active'],
    help: 'Requests that an instance has.',
    value: ({ inFlight }) => inFlight,
  },
  ...readings('concurrency', ['kn_revision_concurrency_', ''], {
    stable: 'autoscaler_stable_request_concurrency',
    panic: 'autoscaler_panic_request_concurrency',
    target: 'autoscaler_target_concurrency_per_pod',
  }),
  ...readings('rps', ['kn_revision_rps_', '_per_second'], {
    stable: 'autoscaler_stable_requests_per_second',
    panic: 'autoscaler_panic_requests_per_second',
    target: 'autoscaler_target_requests_per_second',
  }),
];

/** What the autoscaler saw, of revisions that scale by that metric. */
function readings(
  metric: 'concurrency' | 'rps',
  [before, after]: readonly [string, string],
  former: Readonly<Record<'stable' | 'panic' | 'target', string>>,
): typeof GAUGES {
  const of = (read: (scaled: Scaled) => number | undefined) => (scaled: Scaled) =>
    scaled.plan.scale.metric === metric ? read(scaled) : undefined;
  return [
    {
      names: [`${before}stable${after}`, former.stable],
      help: `Mean ${metric} over the stable window.`,
      value: of(({ reading }) => reading?.stable),
    },
    {
      names: [`${before}panic${after}`, former.panic],
      help: `Mean ${metric} over the panic window.`,
      value: of(({ reading }) => reading?.panic),
    },
    {
      names: [`${before}target${after}`, former.target],
      help: `The ${metric} that one instance should have.`,
      value: of(({ plan }) => plan.scale.target),
    },
  ];
}

/** Gauges of the revisions that are up. */
export function scaleFamilies(
  up: readonly Scaled[],
  identityOf: (revision: string) => RevisionIdentity,
): readonly Family[] {
  const shown = up.map((scaled) => ({ scaled, identity: identityOf(scaled.revision) }));
  return GAUGES.flatMap(({ names: [now, former], help, value }) => {
    const values = shown.flatMap(({ scaled, identity }) => {
      const found = value(scaled);
      return found === undefined ? [] : [{ identity, value: found }];
    });
    const family = (name: string, labels: (identity: RevisionIdentity) => Labels): Family => ({
      name,
      type: 'gauge',
      help,
      samples: values.map((each) => ({ labels: labels(each.identity), value: each.value })),
    });
    return [family(now, labelsNow), ...(former === undefined ? [] : [family(former, labelsFormer)])];
  });
}
