import { format } from 'node:util';

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;

/**
 * `context.log`: a line of JSON each, as upstream's pino writes them: a leading object is fields of the line, an Error its
 * stack, the rest the message. FUNC_LOG_LEVEL leaves out what is below it, as for upstream's runtime; `silent` all.
 */
export const log: Readonly<Record<string, (...parts: unknown[]) => void>> = Object.fromEntries(
  LEVELS.map((level, rank) => [level, (...parts: unknown[]) => write(level, rank, parts)]),
);

function write(level: string, rank: number, parts: readonly unknown[]): void {
  const least = process.env['FUNC_LOG_LEVEL'];
  if (least === 'silent' || rank < LEVELS.findIndex((each) => each === least)) return;
  const [first, ...rest] = parts;
  const hasFields = typeof first === 'object' && first !== null;
  const fields = first instanceof Error ? { err: first.stack } : hasFields ? first : {};
  const msg = hasFields ? format(...rest) : format(...parts);
  const stream = rank >= LEVELS.indexOf('error') ? process.stderr : process.stdout;
  stream.write(`${lineOf({ level, time: Date.now(), msg }, fields)}\n`);
}

function lineOf(line: Readonly<Record<string, unknown>>, fields: object): string {
  try {
    return JSON.stringify({ ...line, ...fields });
  } catch {
    return JSON.stringify({ ...line, fields: format('%o', fields) }); // circular, or a BigInt
  }
}
