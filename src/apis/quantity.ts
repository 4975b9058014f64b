const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};

/** A Kubernetes quantity (`500m`, `128Mi`, `1e3`, or a number) in its base unit; undefined: it is none. */
export function quantityOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const exponential = /^[+-]?(?:\d+\.?\d*|\.\d+)[eE][+-]?\d+$/.test(value);
  if (exponential) return Number(value);
  const [, amount, suffix = ''] = /^([+-]?(?:\d+\.?\d*|\.\d+))([a-zA-Z]*)$/.exec(value) ?? [];
  const unit = SUFFIXES[suffix];
  return amount === undefined || unit === undefined ? undefined : Number(amount) * unit;
}
