import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const PAGE = 'docs/reference/conformance-serving.md';

type Row = { readonly upstream: string; readonly cell: string };

/** The tests that certify, and those of test/e2e, whose rows say beside what covers them how they end here. */
const [certifying = '', endToEnd = ''] = readFileSync(PAGE, 'utf8').split('\n## test/e2e\n');

/** The rows of the page's tables: which upstream test, and what is said of it. */
function rowsOf(page: string): readonly Row[] {
  return page
    .split('\n')
    .map((line) => /^\| \S+\.go \| (Test\w+) \| (.+) \|$/.exec(line))
    .flatMap((row) => (row === null ? [] : [{ upstream: row[1] ?? '', cell: row[2] ?? '' }]));
}

/** `path › title` of each test that a cell names. */
function testsIn(cell: string): readonly { readonly file: string; readonly title: string }[] {
  return [...cell.matchAll(/`(test\/[^ `]+) › ([^`]+)`/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));
}

describe('the table of conformance tests', () => {
  const rows = rowsOf(certifying);

  it('has a row for each of the 51 upstream tests, once', () => {
    expect(new Set(rows.map(({ upstream }) => upstream)).size).toBe(rows.length);
    expect(rows).toHaveLength(51);
  });

  it('says of each row which test covers it, or that none does', () => {
    const silent = rows.filter(({ cell }) => testsIn(cell).length === 0 && !cell.startsWith('–'));
    expect(silent).toEqual([]);
  });

  it('names only tests that exist', () => {
    const named = [...rows, ...rowsOf(endToEnd)].flatMap(({ cell }) => testsIn(cell));
    const missing = named.filter(
      ({ file, title }) => !existsSync(file) || !readFileSync(file, 'utf8').includes(title),
    );
    expect(missing).toEqual([]);
  });

  it('says of each of the 67 end-to-end tests whether it passes here, and what covers it', () => {
    const all = rowsOf(endToEnd);
    expect(new Set(all.map(({ upstream }) => upstream)).size).toBe(67);
    expect(all.filter(({ cell }) => !/^(?:passes|– )[^|]* \| (?:`test|no test of ours)/.test(cell))).toEqual(
      [],
    );
  });
});
