export type Labels = Readonly<Record<string, string>>;

/** One metric with all its series; a histogram's samples have the suffixes `_bucket`, `_sum` and `_count`. */
export type Family = {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help?: string;
  readonly samples: readonly {
    readonly suffix?: '_bucket' | '_sum' | '_count';
    readonly labels: Labels;
    readonly value: number;
  }[];
};

/** Families in the text format 0.0.4 of Prometheus, each once, in the order given; those without a series are left out. */
export function exposition(families: readonly Family[]): string {
  const lines = families.flatMap(({ name, type, help, samples }) =>
    samples.length === 0
      ? []
      : [
          ...(help === undefined
            ? []
            : [`# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`]),
          `# TYPE ${name} ${type}`,
          ...samples.map(
            ({ suffix = '', labels, value }) => `${name}${suffix}${renderLabels(labels)} ${value}`,
          ),
        ],
  );
  return lines.map((line) => `${line}\n`).join('');
}

export function renderLabels(labels: Labels): string {
  const escaped = (value: string): string =>
    value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A distribution in fixed buckets. */
export class Histogram {
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;
  #count = 0;

  /** `bounds`: the inclusive upper bounds of the buckets, rising. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.#counts = bounds.map(() => 0);
  }

  get count(): number {
    return this.#count;
  }

  observe(value: number): void {
    this.#sum += value;
    this.#count += 1;
    const i = this.#bounds.findIndex((bound) => value <= bound);
    if (i >= 0) this.#counts[i] = (this.#counts[i] ?? 0) + 1;
  }

  /** `scale` turns what was observed into the unit that is shown: 0.001 for seconds of milliseconds. */
  samples(labels: Labels, scale = 1): Family['samples'] {
    let below = 0;
    const buckets = this.#bounds.map((bound, i) => {
      below += this.#counts[i] ?? 0;
      return bucket(labels, String(scaled(bound, scale)), below);
    });
    return [
      ...buckets,
      bucket(labels, '+Inf', this.#count),
      { suffix: '_sum', labels, value: scaled(this.#sum, scale) },
      { suffix: '_count', labels, value: this.#count },
    ];
  }
}

/** Without the noise of a multiplication in binary. */
function scaled(value: number, scale: number): number {
  return Number((value * scale).toPrecision(12));
}

function bucket(labels: Labels, le: string, value: number): Family['samples'][number] {
  return { suffix: '_bucket', labels: { ...labels, le }, value };
}
