import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { applyBlock, blocksOf, copyCheckout, textOfPage } from '../kit/guide.ts';
import { platformStarter, type Running } from '../kit/millrace.ts';
import { subscriber, type Subscriber } from '../kit/subscribers.ts';
import { freePort } from '../servers/processes.ts';

const PAGE = 'docs/guides/add-a-source.md';
const checkout = temporaryFolder('guide');
const dataDir = join(temporaryFolder('guide-data'), 'data');
const start = platformStarter(join(checkout, 'bin/millrace'));
const page = textOfPage(PAGE);
const blocks = blocksOf(page);
const [checks = '', blogAndUp = '', applied = ''] = blocks.flatMap(({ language, text }) =>
  language === 'sh' ? [text] : [],
);

let me: Subscriber;
let blog: ChildProcess | undefined;
let platform: Running;
let blogPort: number;
/** The ports that the page names, and those that are free here. */
let ports: readonly (readonly [string, string])[];

const here = (text: string): string =>
  ports.reduce((shown, [named, free]) => shown.replaceAll(named, free), text);

/** A line of the page, run in the copy by a shell, as its reader does; rejects unless it ends with 0. */
const sh = (line: string, ...more: readonly string[]) =>
  promisify(execFile)('sh', ['-ec', [here(line), ...more].join('\n')], {
    cwd: checkout,
    env: {
      ...process.env,
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      HOME: dataDir,
      KUBECONFIG: join(dataDir, 'kubeconfig'),
      npm_config_update_notifier: 'false',
    },
    timeout: 280_000,
  });
const blogOf = async (): Promise<string> =>
  (await sh('kubectl get jsonfeedsource blog --no-headers')).stdout.replaceAll(/ +/g, ' ').trim();
const writeToken = (token: string) =>
  sh(`kubectl patch secret blog --type=merge -p '{"stringData":{"token":"${token}"}}'`);
const ids = (): string[] => me.requests.map(({ headers }) => headers['ce-id'] ?? '');
const WAIT = { timeout: 20_000, interval: 100 };

beforeAll(async () => {
  me = await subscriber((response) => response.writeHead(204).end());
  blogPort = await freePort();
  ports = [
    ['9100', String(blogPort)],
    ['9101', new URL(me.url).port],
  ];
  copyCheckout(checkout);
  for (const block of blocks) applyBlock(checkout, { ...block, text: here(block.text) });
});
afterAll(() => {
  blog?.kill();
  me.close();
});

describe(`the source that ${PAGE} adds`, { timeout: 300_000 }, () => {
  it('passes the checks and the tests that the page runs', async () => {
    expect(checks).toContain('npm run check');
    const { stdout } = await sh(checks).catch((failed: { readonly stdout: string }) => failed);
    expect(stdout).toMatch(/json-feed-adapter\.test\.ts[^]*\n9 passed, 0 failed, 0 skipped/);
  });

  it('brings an item of the blog to a subscriber, as the page says', async () => {
    expect(blogAndUp.trim().split('\n')).toEqual([
      'node blog.mjs &',
      expect.stringMatching(/^bin\/millrace up /),
    ]);
    blog = spawn(process.execPath, ['blog.mjs'], { cwd: checkout });
    platform = await start(dataDir);
    await sh(applied);
    await expect.poll(ids, WAIT).toEqual(['1']);
    expect(me.requests[0]?.headers).toMatchObject({
      'ce-type': 'dev.millrace.jsonfeed.item',
      'ce-source': `http://127.0.0.1:${blogPort}/feed.json`,
      'content-type': 'application/json',
    });
    expect(JSON.parse(me.requests[0]?.body.toString() ?? '')).toMatchObject({ id: '1', title: 'An item' });
    expect(await blogOf()).toMatch(/^blog http:\S+feed.json http:\S+\/channels\/default\/items \d+s True$/);
  });

  it('refuses what makes no sense, in the words of the page', async () => {
    const [patch = ''] = /kubectl patch jsonfeedsource[^`]*/.exec(page) ?? [];
    await expect(sh(patch)).rejects.toThrow(
      'invalid value: soon: spec.interval\nexpected an ISO 8601 duration',
    );
    const withPassword = patch.replace('"interval":"soon"', '"url":"https://me:hunter2@example.com/"');
    const refused = await sh(withPassword).catch((error: unknown) => String(error));
    expect(refused).toContain('invalid value: example.com: spec.url');
  });

  it('says when the token is not taken, and goes on with the right one', async () => {
    await writeToken('let-me-in');
    await expect.poll(blogOf, WAIT).toMatch(/ False TokenRefused$/);
    const { stdout } = await sh('kubectl describe jsonfeedsource blog');
    expect(stdout).toContain('it does not take the token; put a valid one into its Secret');
    expect(stdout).not.toContain('let-me-in');
    await writeToken('let-me-read');
    await expect.poll(blogOf, WAIT).toMatch(/ True$/);
  });

  it('loses nothing to a kill, and repeats nothing that was taken', async () => {
    await platform.stop('SIGKILL');
    const [post = ''] = /^curl -X POST.*$/m.exec(applied) ?? [];
    await sh(post, here(post));
    await start(dataDir);
    await expect.poll(ids, WAIT).toEqual(['1', '2', '3']);
  });
});
