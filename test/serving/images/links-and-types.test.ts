import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { BundleFile } from '../../../src/serving/images/bundle.ts';
import { ImageStore } from '../../../src/serving/images/image-store.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';

const store = (folder = temporaryFolder('images')): ImageStore =>
  new ImageStore(folder, async () => undefined);
const push = (images: ImageStore, files: Record<string, string>) =>
  images.push('x', folderWith('push', files), undefined, 0);

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
  ])('%s are refused', async (_, files) => {
    await expect(store().store('x', [entry, ...files], undefined, 0)).rejects.toMatchObject({
      code: 'PUSH_INVALID',
      message: expect.stringContaining('is a link out of the image'),
    });
  });

  it('a file whose path leaves the image is refused', async () => {
    const files = [entry, { ...entry, path: 'a/../../x.js' }];
    await expect(store().store('x', files, undefined, 0)).rejects.toMatchObject({ code: 'PUSH_INVALID' });
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
