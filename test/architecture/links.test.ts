import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CHECKOUT } from '../kit/page.ts';

const PAGES = execFileSync('git', ['ls-files', '*.md'], { cwd: CHECKOUT, encoding: 'utf8' })
  .trim()
  .split('\n');

const read = (page: string): string => readFileSync(join(CHECKOUT, page), 'utf8');

/** What a page's links lead to, but for those to other sites; what stands in code is no link. */
function linksIn(page: string): readonly string[] {
  const prose = read(page)
    .replace(/^```[^]*?^```$/gm, '')
    .replace(/`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^https?:/.test(target));
}

/** The anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): readonly string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  return existsSync(join(CHECKOUT, target)) && (anchor === undefined || anchorsOf(target).includes(anchor));
}

describe('the pages of this repository', () => {
  it('have only links that lead somewhere', () => {
    const all = PAGES.filter((page) => existsSync(join(CHECKOUT, page))).flatMap((page) =>
      linksIn(page).map((link) => ({ page, link })),
    );
    expect(all.length).toBeGreaterThan(50); // they were found
    expect(all.filter(({ page, link }) => !leadsSomewhere(page, link))).toEqual([]);
  });
});
