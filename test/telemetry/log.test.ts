import { expect, it } from 'vitest';
import { openLog, printable } from '../../src/telemetry/log.ts';

const linesOf = (format: 'text' | 'json'): { lines: string[]; log: ReturnType<typeof openLog> } => {
  const lines: string[] = [];
  return {
    lines,
    log: openLog(
      format,
      (text) => lines.push(text),
      () => Date.UTC(2030, 0, 1),
    ),
  };
};

it('a line of text is its time, its level, a sentence and fields', () => {
  const { lines, log } = linesOf('text');
  log({ level: 'warn', message: 'it is tried again', fields: { error: 'refused', tries: 2 } });
  log({ level: 'error', message: 'it failed' });
  expect(lines).toEqual([
    '2030-01-01T00:00:00.000Z warn  it is tried again error=refused tries=2\n',
    '2030-01-01T00:00:00.000Z error it failed\n',
  ]);
});

it('a line of JSON is one object on one line', () => {
  const { lines, log } = linesOf('json');
  log({ level: 'info', message: 'two\nlines', fields: { n: 1 } });
  expect(lines.join('').split('\n')).toHaveLength(2);
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    time: '2030-01-01T00:00:00.000Z',
    level: 'info',
    message: 'two\nlines',
    n: 1,
  });
});

it('nothing that a sender chose acts on a terminal, or makes a line of its own', () => {
  expect(printable('\u001b[31mred\u0007 \u009b2J\r')).toBe('\\x1b[31mred\\x07 \\x9b2J\\x0d');
  const { lines, log } = linesOf('text');
  log({
    level: 'warn',
    message: 'from \u001b]0;x\u0007',
    fields: { id: 'a\n2030-01-01T00:00:00.000Z error forged' },
  });
  expect(lines.join('')).not.toMatch(/[^\P{Cc}\n]/u);
  expect(lines.join('').split('\n')).toHaveLength(2);
});
