/**
 * Reads a value by the JSONPath subset that printer columns use: `.a.b`, `['x\.y']`, `.metadata.labels['a\.b/c']`,
 * `[0]`, `[*]`, `[?(@.type=="Ready")]`. The first value found, or undefined.
 */
export function valueAt(object: unknown, path: string): unknown {
  let found: unknown[] = [object];
  for (const step of stepsOf(path)) found = found.flatMap((each) => step(each));
  return found[0];
}

type Step = (value: unknown) => unknown[];

const STEP =
  /\.([A-Za-z0-9_-]+)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]|\[(\*)\]|\[\?\(@\.([A-Za-z0-9_]+)\s*==\s*["']([^"']*)["']\)\]/y;

function stepsOf(path: string): Step[] {
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path);
    if (match === null) throw new Error(`the path ${path} is not understood`);
    const [, name, quoted, index, all, field, equals] = match;
    if (field !== undefined)
      steps.push((value) => elements(value).filter((each) => member(each, field) === equals));
    else if (all !== undefined) steps.push(elements);
    else if (index !== undefined)
      steps.push((value) => elements(value).slice(Number(index), Number(index) + 1));
    else
      steps.push((value) =>
        [member(value, name ?? quoted?.replace(/\\(.)/g, '$1') ?? '')].filter((each) => each !== undefined),
      );
  }
  return steps;
}

const elements = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}
