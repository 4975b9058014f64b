import { Random } from './random.ts';

/** A Route, and what there is that it may lead to. */
export type TrafficQuestion = {
  readonly route: object;
  readonly configurations: readonly object[];
  readonly revisions: readonly object[];
};
type Target = Readonly<Record<string, unknown>>;

const SERVING = 'serving.knative.dev/v1';
const OWNER = 'serving.knative.dev/service';
/** Empty: nothing has been said yet. */
const READY = ['True', 'True', 'True', 'True', 'False', 'Unknown', ''];
/** Of 100. */
const SHARES: readonly (readonly number[])[] = [
  [100],
  [100, 0],
  [50, 50],
  [90, 10],
  [40, 30, 30],
  [25, 25, 50, 0],
];

export function trafficQuestions(seed: number, count: number): readonly TrafficQuestion[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const owner = random.chance(0.5) ? 'a' : undefined;
    const metadata = { name: 'a', namespace: 'default', ...(owner && { labels: { [OWNER]: owner } }) };
    const percents = random.pick(SHARES);
    const spec = { traffic: percents.map((percent, i) => target(random, percent, i)) };
    return {
      route: { apiVersion: SERVING, kind: 'Route', metadata, spec },
      configurations: ['a', 'b'].filter(() => random.chance(0.9)).map((name) => configuration(random, name)),
      revisions: ['a', 'b'].flatMap((of) =>
        [1, 2].filter(() => random.chance(0.9)).map((n) => revision(random, of, `${of}-0000${n}`)),
      ),
    };
  });
}

function target(random: Random, percent: number, i: number): Target {
  const of = random.pick(['a', 'a', 'a', 'b']);
  const tag = random.chance(0.4) ? { tag: `t${i}` } : {};
  return random.chance(0.5)
    ? { revisionName: `${of}-0000${random.between(1, 2)}`, latestRevision: false, percent, ...tag }
    : { configurationName: of, latestRevision: true, percent, ...tag };
}

function configuration(random: Random, name: string): object {
  const ready = random.pick(READY);
  const latest = random.chance(0.8) ? { latestReadyRevisionName: `${name}-0000${random.between(1, 2)}` } : {};
  return {
    apiVersion: SERVING,
    kind: 'Configuration',
    metadata: { name, namespace: 'default', labels: { [OWNER]: name } },
    spec: { template: { spec: {} } },
    status: { ...conditions(ready), ...latest },
  };
}

function revision(random: Random, of: string, name: string): object {
  const owner = random.chance(0.9) ? { [OWNER]: of } : {};
  const ports = random.chance(0.3)
    ? { ports: [{ name: random.pick(['h2c', 'http1']), containerPort: 80 }] }
    : {};
  return {
    apiVersion: SERVING,
    kind: 'Revision',
    metadata: { name, namespace: 'default', labels: { ...owner, 'serving.knative.dev/configuration': of } },
    spec: { containers: [{ image: 'busybox', ...ports }] },
    status: conditions(random.pick(READY)),
  };
}

const conditions = (ready: string): object =>
  ready === '' ? {} : { conditions: [{ type: 'Ready', status: ready }] };
