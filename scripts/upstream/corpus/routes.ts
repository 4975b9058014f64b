import { Random } from './random.ts';

type Share = { readonly revisionName: string; readonly percent: number };
type Goal = {
  readonly configurations: readonly {
    readonly configurationName: string;
    readonly tag?: string;
    readonly percent: number;
    readonly revisions: readonly [Share];
  }[];
};
/** A route that is rolled out: what is wanted when, and when the network has taken it up. */
export type RollOut = {
  readonly events: readonly {
    readonly at: number; // nanoseconds
    readonly goal?: Goal;
    /** Over 0: the network has taken it up, and it is to last so long. */
    readonly readyForSeconds?: number;
  }[];
};
/** The host of a Route, or of one of its tags. */
export type HostQuestion = {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly tag: string;
  readonly domain: Readonly<Record<string, string>>;
  readonly network: Readonly<Record<string, string>>;
};

const SECOND = 1_000_000_000;
const MS = 1_000_000;

export function rollOuts(seed: number, count: number): readonly RollOut[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => rollOut(random));
}

/** Shares that sum up to 100, of up to three configurations; a tag has all of its own. */
function rollOut(random: Random): RollOut {
  const names = ['a', 'b', 'c'].slice(0, random.between(1, 3));
  const tagged = random.chance(0.3) ? ['a'] : [];
  const newest = new Map(names.map((name) => [name, 1]));
  let shares = sharesOf(random, names);
  let at = SECOND;
  const goal = (): Goal => ({
    configurations: [
      ...names.map((name, i) => target(name, newest, shares[i] ?? 0)),
      ...tagged.map((name) => ({ ...target(name, newest, 100), tag: 'next' })),
    ],
  });
  const events: RollOut['events'][number][] = [{ at, goal: goal() }];
  const seconds = random.pick([5, 10, 60, 200]);
  for (let i = random.between(4, 30); i > 0; i -= 1) {
    at += random.between(1, 25_000) * MS;
    if (random.chance(0.25)) newest.set(random.pick(names), random.between(2, 9));
    if (random.chance(0.1)) shares = sharesOf(random, names);
    events.push({ at, goal: goal(), ...(random.chance(0.6) && { readyForSeconds: seconds }) });
  }
  return { events };
}

function target(
  name: string,
  newest: ReadonlyMap<string, number>,
  percent: number,
): Goal['configurations'][number] {
  const revisionName = `${name}-0000${newest.get(name) ?? 1}`;
  return { configurationName: name, percent, revisions: [{ revisionName, percent }] };
}

function sharesOf(random: Random, names: readonly string[]): readonly number[] {
  const shares = names.slice(1).map(() => random.pick([1, 2, 5, 20, 33]));
  return [100 - shares.reduce((sum, each) => sum + each, 0), ...shares];
}

const LONG = 'x'.repeat(50);
const TEMPLATES = [
  '{{.Name}}.{{.Namespace}}.{{.Domain}}',
  '{{.Name}}-{{.Namespace}}.{{.Domain}}',
  '{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}',
  '{{.Name}}.{{index .Labels "app"}}.{{.Domain}}',
];
const TAG_TEMPLATES = ['{{.Tag}}-{{.Name}}', '{{.Name}}--{{.Tag}}', '{{.Tag}}'];
const DOMAINS: readonly Readonly<Record<string, string>>[] = [
  { 'example.com': '' },
  { 'example.com': '', 'app.example.com': 'selector:\n  app: a' },
  { 'b.example.com': '', 'a.example.com': '' },
  { 'example.com': '', 'one.example': 'selector:\n  app: a', 'two.example': 'selector:\n  app: a\n  env: b' },
];

export function hostQuestions(seed: number, count: number): readonly HostQuestion[] {
  const random = new Random(seed);
  return Array.from({ length: count }, () => {
    const labels = random.pick<Record<string, string>>([
      {},
      { app: 'a' },
      { app: 'a', env: 'b' },
      { app: 'B_c' },
    ]);
    const annotations = random.pick<Record<string, string>>([{}, { sub: 'sub' }, { sub: 'a.b' }]);
    return {
      metadata: {
        name: random.pick(['hello', 'a', LONG]),
        namespace: random.pick(['default', 'other', LONG]),
        labels,
        annotations,
      },
      tag: random.pick(['', '', 'green', LONG]),
      domain: random.pick(DOMAINS),
      network: {
        ...(random.chance(0.6) && { 'domain-template': random.pick(TEMPLATES) }),
        ...(random.chance(0.4) && { 'tag-template': random.pick(TAG_TEMPLATES) }),
      },
    };
  });
}
