export type ReadFamily = {
  readonly type: string;
  readonly samples: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
};

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/y;
const SUFFIX = /_(?:bucket|sum|count)$/;

/**
 * Reads the text format 0.0.4 as strictly as Prometheus does, from its description: throws at a line that is none, at a series
 * that stands twice, at samples that are not below their TYPE, and at a histogram that does not add up.
 */
export function parseExposition(text: string): ReadonlyMap<string, ReadFamily> {
  const families = new Map<string, ReadFamily>();
  const seen = new Set<string>();
  let current: { name: string; family: ReadFamily } | undefined;
  for (const line of text.split('\n').filter((each) => each !== '')) {
    if (line.startsWith('# HELP ')) continue;
    const [, typed, type] = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (typed !== undefined && type !== undefined) {
      if (families.has(typed)) throw new Error(`${typed} is there twice`);
      current = { name: typed, family: { type, samples: [] } };
      families.set(typed, current.family);
      continue;
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    const isHistogram = current?.family.type === 'histogram';
    if (current === undefined || (isHistogram ? name.replace(SUFFIX, '') : name) !== current.name)
      throw new Error(`not a sample of ${current?.name ?? 'anything'}: ${line}`);
    if (Number.isNaN(Number(value))) throw new Error(`no number: ${line}`);
    if (seen.has(`${name}{${labels}}`)) throw new Error(`twice: ${line}`);
    seen.add(`${name}{${labels}}`);
    current.family.samples.push({ name, labels: labelsIn(labels), value: Number(value) });
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkHistogram(name, family);
  return families;
}

function labelsIn(text: string): Record<string, string> {
  const labels: [string, string][] = [];
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text);
    if (found === null) throw new Error(`no labels: ${text}`);
    const [, name = '', value = ''] = found;
    const unescaped = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    labels.push([name, unescaped]);
  }
  return Object.fromEntries(labels);
}

function checkHistogram(name: string, { samples }: ReadFamily): void {
  const counts = new Map<string, number>();
  for (const sample of samples.toReversed()) {
    const { le, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    if (sample.name.endsWith('_count')) counts.set(key, sample.value);
    if (le === undefined) continue;
    const above = counts.get(key) ?? 0;
    const isWrong = le === '+Inf' ? sample.value !== above : sample.value > above;
    if (isWrong) throw new Error(`${name} does not add up at ${le} of ${key}`);
    counts.set(key, sample.value);
  }
}
