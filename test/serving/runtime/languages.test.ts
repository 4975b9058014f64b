import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { ImageStore } from '../../../src/serving/images/image-store.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { openLocalRuntime, serving } from '../../kit/local-runtime.ts';

const { runtime, start, printed } = openLocalRuntime(1);
const images = new ImageStore(temporaryFolder('images'), (directory, entry) =>
  runtime.check(directory, entry),
);

/** Pushes files as `millrace push` does, starts what it found, and returns what that answers. */
function answerOf(files: Readonly<Record<string, string>>): Promise<{ text: string; logs: () => string }> {
  return answerOfFolder(folderWith('push', { ...files }));
}

async function answerOfFolder(folder: string): Promise<{ text: string; logs: () => string }> {
  const { directory, launch } = await images.push('x', folder, undefined, 0);
  expect(launch.kind).toBe('function');
  const instance = await start([serving({ directory, launch })]);
  const text = await (await request(`http://127.0.0.1:${instance.port}/`)).body.text();
  await instance.stop(0);
  return { text, logs: () => printed.get(instance.id) ?? '' };
}

const MODULE = '{ "type": "module" }';

describe('a bundle of functions may be written as', () => {
  it.each<[string, Readonly<Record<string, string>>]>([
    ['TypeScript', { 'index.ts': 'export const handle = (): string => "well" satisfies string;' }],
    ['CommonJS', { 'index.js': 'module.exports = () => "well"' }],
    ['CommonJS by its exports', { 'index.cjs': 'exports.handle = () => "well"' }],
    ['ESM by its extension', { 'index.mjs': 'export default () => "well"' }],
    ['ESM by package.json', { 'package.json': MODULE, 'index.js': 'export const handle = () => "well"' }],
    [
      'TypeScript compiled to CommonJS',
      {
        'package.json': '{ "main": "build/index.js" }',
        'build/index.js':
          'Object.defineProperty(exports, "__esModule", { value: true }); exports.default = () => "well";',
      },
    ],
    [
      '.mts',
      { 'package.json': '{ "main": "f.mts" }', 'f.mts': 'export const handle = (): string => "well"' },
    ],
    [
      '.cts',
      { 'package.json': '{ "main": "f.cts" }', 'f.cts': 'exports.handle = (): string => "well" as string' },
    ],
    [
      'modules that wait at their top level',
      { 'index.mjs': 'const word = await Promise.resolve("well"); export const handle = () => word' },
    ],
    [
      'TypeScript that waits, and imports its neighbours of either kind',
      {
        'package.json': MODULE,
        'index.ts': `import { a } from './lib/a.ts'; import { b } from './lib/b.mts'; import type { T } from './lib/types.ts';
          const c = await import('./lib/c.ts'); export const handle = (): T => a + b + c.c;`,
        'lib/a.ts': 'export const a: string = "w";',
        'lib/b.mts': 'export const b: string = "e";',
        'lib/c.ts': 'export const c: string = "ll";',
        'lib/types.ts': 'export type T = string;',
      },
    ],
    [
      'CommonJS TypeScript that requires its neighbours',
      {
        'package.json': '{ "type": "commonjs" }',
        'index.ts': `const { word } = require('./word.cts'); module.exports = (): string => word;`,
        'word.cts': 'exports.word = "well" as string;',
      },
    ],
    [
      'JSON beside it',
      {
        'index.mjs': `import data from './data.json' with { type: 'json' }; export const handle = () => data.word`,
        'data.json': '{ "word": "well" }',
      },
    ],
    [
      'JSON that is required',
      {
        'index.cjs': `const { word } = require('./data.json'); exports.handle = () => word`,
        'data.json': '{ "word": "well" }',
      },
    ],
    [
      'modules that are loaded when they are needed',
      {
        'index.mjs': `export const handle = async () => (await import('./late.mjs')).default`,
        'late.mjs': 'export default "well"',
      },
    ],
    [
      'CommonJS that requires ESM',
      {
        'index.cjs': `exports.handle = () => require('./word.mjs').word`,
        'word.mjs': 'export const word = "well"',
      },
    ],
    [
      'packages of its own, by exports and by conditions',
      {
        'index.mjs': `import { a } from 'a'; import b from 'b/deep'; export const handle = () => a + b`,
        'node_modules/a/package.json':
          '{ "name": "a", "exports": { "import": "./a.mjs", "require": "./a.cjs" } }',
        'node_modules/a/a.mjs': 'export const a = "we"',
        'node_modules/a/a.cjs': 'exports.a = "not"',
        'node_modules/b/package.json': '{ "name": "b", "exports": { "./deep": "./lib/deep.js" } }',
        'node_modules/b/lib/deep.js': 'module.exports = "ll"',
      },
    ],
    [
      'names of package.json imports',
      {
        'package.json': '{ "type": "module", "imports": { "#word": "./word.js" } }',
        'index.js': `export { default as word } from '#word'; import word from '#word'; export const handle = () => word`,
        'word.js': 'export default "well"',
      },
    ],
  ])('%s', async (_, files) => {
    expect((await answerOf(files)).text).toBe('well');
  });
});

/** A native add-on that the tests' own tools bring. */
const ADD_ON = join(
  import.meta.dirname,
  '../../../node_modules/lightningcss-linux-x64-gnu/lightningcss.linux-x64-gnu.node',
);

describe('a native add-on of a bundle’s own', () => {
  const css = `addOn.transform({ filename: 'a.css', code: Buffer.from('a { color: red }'), minify: true }).code`;
  it.skipIf(!existsSync(ADD_ON)).each<[string, Readonly<Record<string, string>>]>([
    ['CommonJS', { 'index.cjs': `const addOn = require('native'); exports.handle = () => String(${css})` }],
    [
      'ESM',
      {
        'index.mjs': `import { createRequire } from 'node:module'; const addOn = createRequire(import.meta.url)('native');
          export const handle = () => String(${css})`,
      },
    ],
  ])('is loaded from %s', async (_, files) => {
    const folder = folderWith('push', {
      ...files,
      'node_modules/native/package.json': '{ "name": "native", "main": "./add-on.node" }',
    });
    copyFileSync(ADD_ON, join(folder, 'node_modules/native/add-on.node'));
    expect((await answerOfFolder(folder)).text).toBe('a{color:red}');
  });
});

describe('where it fails', () => {
  it.each<[string, Readonly<Record<string, string>>, string]>([
    [
      'of TypeScript',
      {
        'package.json': MODULE,
        'index.ts': `interface Thing {\n  n: number;\n}\n\nexport function handle(): never {\n  const thing: Thing = { n: 1 };\n  throw new Error('no ' + thing.n);\n}\n`,
      },
      'handle (index.ts:7:9)',
    ],
    [
      'of a neighbour in TypeScript',
      {
        'package.json': MODULE,
        'index.ts': `import { fail } from './lib/fail.ts';\nexport const handle = (): void => fail();\n`,
        'lib/fail.ts': `type T = string;\nexport function fail(): never {\n  throw new Error('no');\n}\n`,
      },
      'at fail (lib/fail.ts:3:9)',
    ],
    [
      'of what was compiled with a source map',
      {
        'package.json': '{ "main": "build/index.js", "type": "module" }',
        // handle() on line 4 of src/app.ts
        'build/index.js': `export function handle() { throw new Error('no'); }\n//# sourceMappingURL=index.js.map\n`,
        'build/index.js.map': JSON.stringify({
          version: 3,
          file: 'index.js',
          sources: ['../src/app.ts'],
          names: [],
          mappings: 'AAGA,OAAO,SAAS,MAAM',
        }),
      },
      'src/app.ts:4:',
    ],
  ])('the stack names the line that was written: %s', async (_, files, frame) => {
    const { text, logs } = await answerOf(files);
    expect(text).toMatch(/^no/);
    await expect.poll(logs).toContain(frame);
  });

  it.each<[string, string, string]>([
    [
      'an enum',
      'export const a = 1;\n\nenum Color { Red }\n',
      'index.ts:3: TypeScript enum is not supported in strip-only mode: types are stripped, not compiled; write an object: const Color = { Red: 0 } as const; or push what tsc has made of it',
    ],
    [
      'a namespace',
      'namespace N { export const x = 1 }',
      'index.ts:1: TypeScript namespace declaration is not supported in strip-only mode: types are stripped, not compiled; write a module of its own, and import it; or push what tsc has made of it',
    ],
    [
      'a parameter property',
      '\nclass A { constructor(private readonly x: number) {} }',
      'index.ts:2: TypeScript parameter property is not supported in strip-only mode: types are stripped, not compiled; write a field, and assign it in the constructor; or push what tsc has made of it',
    ],
    [
      'import equals',
      'import a = require("a");',
      'index.ts:1: TypeScript import equals declaration is not supported in strip-only mode: types are stripped, not compiled; write import … from, or require; or push what tsc has made of it',
    ],
    ['what is no TypeScript', 'export const handle = () => {\n  const x: = 3;\n};', 'index.ts:2: '],
  ])('push says the line and what to do: %s', async (_, code, message) => {
    const pushing = images.push('x', folderWith('push', { 'index.ts': code }), undefined, 0);
    await expect(pushing).rejects.toMatchObject({
      code: 'PUSH_INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('push says the line of JavaScript that does not parse', async () => {
    const folder = folderWith('push', { 'index.mjs': 'export const handle = () => {\n  const = 3;\n};' });
    await expect(images.push('x', folder, undefined, 0)).rejects.toMatchObject({
      code: 'FUNCTION_INVALID',
      message: expect.stringMatching(/\(index\.mjs:2\)/),
    });
  });
});
