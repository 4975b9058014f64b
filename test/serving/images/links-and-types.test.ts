import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { BundleFile } from '../../../src/serving/images/bundle.ts';
import { ImageStore } from '../../../src/serving/images/image-store.ts';
import { packFiles, type Packed } from '../../../src/serving/images/packing/pack.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';

const store = (folder = temporaryFolder('images')): ImageStore =>
  new ImageStore(folder, async () => undefined);
const push = (images: ImageStore, files: Record<string, string>) =>
  images.push('x', folderWith('push', files), undefined, 0);

const packed = (files: readonly BundleFile[]): Packed =>
  packFiles(files, { folder: temporaryFolder('images'), command: undefined, user: undefined });

describe('links of an image', () => {
  const link = (path: string, target: string): BundleFile => ({
    kind: 'link',
    path,
    target,
    isExecutable: false,
  });
  const entry: BundleFile = {
    kind: 'file',
    path: 'index.js',
    content: Buffer.from('exports.handle = () => 1'),
    isExecutable: false,
  };

  it.each<[string, readonly BundleFile[]]>([
    ['to an absolute path', [link('a', '/etc')]],
    ['above the root', [link('a', '../x')]],
    [
      'above the root by way of another link',
      [link('deep/er/up', '../..'), link('evil', 'deep/er/up/../etc')],
    ],
    ['with a file behind it', [link('lib', 'src'), { ...entry, path: 'lib/x.js' }]],
  ])('%s are refused', (_, files) => {
    expect(() => packed([entry, ...files])).toThrow(
      expect.objectContaining({
        code: 'PUSH_INVALID',
        message: expect.stringContaining('is a link out of the image'),
      }),
    );
  });

  it('a file whose path leaves the image is refused', () => {
    const files = [entry, { ...entry, path: 'a/../../x.js' }];
    expect(() => packed(files)).toThrow(expect.objectContaining({ code: 'PUSH_INVALID' }));
  });

  it('inside it are kept, in a circle too', async () => {
    const folder = folderWith('push', {
      'index.js': 'exports.handle = () => 1',
      'node_modules/pkg/cli.js': '',
    });
    mkdirSync(join(folder, 'node_modules/.bin'));
    symlinkSync('../pkg/cli.js', join(folder, 'node_modules/.bin/cli'));
    symlinkSync('round', join(folder, 'about'));
    symlinkSync('about', join(folder, 'round'));
    const { directory } = await store().push('x', folder, undefined, 0);
    expect(readFileSync(join(directory, 'node_modules/.bin/cli'), 'utf8')).toBe('');
    expect(readdirSync(directory)).toContain('round');
  });
});

describe('TypeScript of an image', () => {
  it('is what starts when it is the entry, whatever was compiled to the same name before', async () => {
    const { directory, launch } = await push(store(), {
      'package.json': '{"type":"module","main":"index.ts"}',
      'index.ts': "import { one } from './one.ts'; export default (): number => one;",
      'index.js': 'export default () => "of yesterday"',
      'one.ts': 'export const one: number = 1;',
    });
    expect(launch).toEqual({ kind: 'function', entry: 'index.stripped.js' });
    const loaded = (await import(join(directory, 'index.stripped.js'))) as { default: () => unknown };
    expect(loaded.default()).toBe(1);
    expect(readFileSync(join(directory, 'index.js'), 'utf8')).toContain('of yesterday');
  });

  it('is CommonJS or ESM by the package.json nearest to it, and by its syntax where there is none', async () => {
    const { directory, launch } = await push(store(), {
      'index.ts': "const { two } = require('./lib/two.ts'); exports.handle = (): number => two;",
      'lib/two.ts': 'exports.two = 2 as number;',
      'esm/package.json': '{"type":"module"}',
      'esm/a.ts': 'export const a: number = 1;',
      'b.ts': 'export const b: number = 1;',
      'types.d.ts': 'declare const c: number;',
    });
    expect(launch).toEqual({ kind: 'function', entry: 'index.js' });
    const loaded = (await import(join(directory, 'index.js'))) as { default: { handle(): number } };
    expect(loaded.default.handle()).toBe(2);
    expect(readdirSync(directory)).toEqual(expect.arrayContaining(['b.mjs', 'index.js']));
    expect(readdirSync(directory)).not.toContain('types.d.js');
    expect(readdirSync(join(directory, 'esm'))).toContain('a.js');
  });

  it('of dependencies is left as it is', async () => {
    const { directory } = await push(store(), {
      'index.js': 'exports.handle = () => 1',
      'node_modules/pkg/index.ts': 'enum A { B }',
    });
    expect(readdirSync(join(directory, 'node_modules/pkg'))).toEqual(['index.ts']);
  });
});

describe('the store', () => {
  it('keeps nothing of a push that was killed, and all of those that were not', async () => {
    const folder = temporaryFolder('images');
    const { digest } = await push(store(folder), { 'index.js': 'exports.handle = () => 1' });
    mkdirSync(join(folder, '.draft-abc/root'), { recursive: true });
    const reopened = store(folder);
    expect(readdirSync(folder).filter((name) => name.startsWith('.draft'))).toEqual([]);
    expect(reopened.resolve('x')?.digest).toBe(digest);
    expect(reopened.list().filter((each) => 'pushedAt' in each)).toEqual([
      { name: 'docker.io/library/x:latest', digest, pushedAt: '1970-01-01T00:00:00.000Z' },
    ]);
  });

  it('leaves nothing behind when a push is refused', async () => {
    const folder = temporaryFolder('images');
    const failing = new ImageStore(folder, async () => 'no database');
    await expect(push(failing, { 'index.js': 'module.exports = 1' })).rejects.toThrow('no database');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('lets the platform answer meanwhile, however many files there are, and takes pushes in turn', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [`node_modules/p${i}/index.js`, `exports.n = ${i};`]),
    );
    const images = store();
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const both = ['one', 'two'].map((word) =>
      push(images, { ...files, 'index.ts': `export const handle = (): string => '${word}';` }),
    );
    const [one, two] = await Promise.all(both);
    isOver = true;
    expect(turns).toBeGreaterThan(100); // one for each step of the store itself would be a handful
    expect(images.resolve('x')?.digest).toBe(two?.digest);
    expect(readFileSync(join(one?.directory ?? '', 'index.mjs'), 'utf8')).toContain("'one'");
  });

  it('strips types without a warning of Node’s own', async () => {
    const module = new URL('../../../src/serving/images/strip-types.ts', import.meta.url).href;
    const code = `const { withJavaScript } = await import('${module}');
      const content = Buffer.from('export const a: number = 1;');
      console.log(withJavaScript([{ kind: 'file', path: 'a.ts', isExecutable: false, content }])[0].length);`;
    const node = promisify(execFile);
    const run = node(process.execPath, ['--input-type=module', '-e', code]);
    expect(await run).toEqual({ stdout: '2\n', stderr: '' });
  });

  it('keeps its files read-only, executables executable', async () => {
    const { directory } = await push(store(), { 'index.js': 'exports.handle = () => 1' });
    expect(statSync(join(directory, 'index.js')).mode & 0o777).toBe(0o444);
  });

  it('says of an entry that exports no function what to do, and starts it when there is a start script', async () => {
    const images = new ImageStore(
      temporaryFolder('images'),
      async () => 'it exports no function: export one',
    );
    const files = { 'index.js': 'module.exports = 1' };
    await expect(push(images, files)).rejects.toMatchObject({ code: 'FUNCTION_INVALID' });
    const withStart = { ...files, 'package.json': '{"scripts":{"start":"node index.js"}}' };
    expect((await push(images, withStart)).launch).toEqual({
      kind: 'program',
      command: ['sh', '-c', 'exec node index.js'],
    });
  });
});
