import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { nodeStartErrors } from '../../../src/apis/serving/node-start.ts';
import { coldReasons, idleAnnotations, ownStartOf } from '../../../src/serving/control/own-start.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { askOf, openLocalRuntime, serving } from '../../kit/local-runtime.ts';

const PERMISSION = 'runtime.millrace.dev/node-permission';
const HEAP = 'runtime.millrace.dev/node-heap';
const FUNCTION = { kind: 'function', entry: 'index.mjs' } as const;
const NO_LIMITS = { memoryBytes: undefined, milliCpus: undefined };

const local = openLocalRuntime(1);
const instances: Instance[] = [];
afterAll(() => Promise.all(instances.map((instance) => instance.stop(0))));

type Given = {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly memoryBytes?: number;
  readonly files?: Readonly<Record<string, string>>;
};

/** Starts a function as a revision with these annotations would, and returns what it answers. */
async function answerOf(code: string, { annotations = {}, env = {}, memoryBytes, files = {} }: Given) {
  const directory = folderWith('image', { 'index.mjs': code, ...files });
  const limits = { ...NO_LIMITS, memoryBytes };
  const container = serving({ directory, launch: FUNCTION, env });
  const ownStart = ownStartOf(annotations, { ...container, limits });
  const instance = await local.start([{ ...container, ownStart }]);
  instances.push(instance);
  return askOf(instance, '/');
}

const json = (value: string): string => `export const handle = () => JSON.stringify(${value})`;

describe('what acts only at the start of a process', () => {
  it('NODE_OPTIONS is in force from the first line on, and may name files of the image', async () => {
    const said = await answerOf(json('[globalThis.early, process.execArgv, process.title]'), {
      env: { NODE_OPTIONS: '--title=mine --require ./early.cjs', GREETING: 'hi' },
      files: { 'early.cjs': 'globalThis.early = [process.env.GREETING, process.env.K_SERVICE]' },
    });
    expect(JSON.parse(said)).toEqual([['hi', 'f'], expect.any(Array), 'mine']);
  });

  it('a larger pool of threads is one', async () => {
    const said = await answerOf(json('process.env.UV_THREADPOOL_SIZE'), { env: { UV_THREADPOOL_SIZE: '9' } });
    expect(said).toBe('"9"');
  });

  it('a wrong option is told as Node tells it', async () => {
    const failing = answerOf(json('1'), { env: { NODE_OPTIONS: '--no-such-option' } });
    await expect(failing).rejects.toMatchObject({
      code: 'ExitCode9',
      message: expect.stringContaining('--no-such-option is not allowed in NODE_OPTIONS'),
    });
  });

  it.each<[string, Given, number]>([
    ['by annotation', { annotations: { [HEAP]: '64Mi' } }, 64],
    [
      'of three quarters of its memory limit',
      { annotations: { [HEAP]: 'limit' }, memoryBytes: 2 ** 28 },
      192,
    ],
  ])('a heap %s ends where it is told to', async (_, given, mib) => {
    const said = await answerOf(
      `import { getHeapStatistics } from 'node:v8'; ${json('getHeapStatistics().heap_size_limit / 2 ** 20')}`,
      given,
    );
    expect(Number(said)).toBe(mib);
  });

  it('the permission model leaves a function its own image, and nothing else that is not granted', async () => {
    const folder = temporaryFolder('permission');
    const [open, closed] = [join(folder, 'open'), join(folder, 'closed')];
    for (const file of [open, closed]) writeFileSync(file, 'content');
    const code = `
      import { readFileSync, writeFileSync } from 'node:fs';
      import { execFileSync } from 'node:child_process';
      import { CloudEvent } from 'cloudevents';
      import { word } from './lib/word.mjs';
      const tried = (act) => { try { return String(act() ?? 'done'); } catch (error) { return error.code; } };
      export const handle = () => JSON.stringify({
        image: tried(() => readFileSync(new URL('./data.txt', import.meta.url), 'utf8')),
        module: word,
        sdk: typeof CloudEvent,
        granted: tried(() => readFileSync(${JSON.stringify(open)}, 'utf8')),
        notGranted: tried(() => readFileSync(${JSON.stringify(closed)}, 'utf8')),
        write: tried(() => writeFileSync(${JSON.stringify(open)}, 'x')),
        child: tried(() => execFileSync('true')),
      });`;
    const said = await answerOf(code, {
      annotations: { [PERMISSION]: `fs-read=${open}` },
      files: { 'data.txt': 'mine', 'lib/word.mjs': 'export const word = "well";' },
    });
    expect(JSON.parse(said)).toEqual({
      image: 'mine',
      module: 'well',
      sdk: 'function',
      granted: 'content',
      notGranted: 'ERR_ACCESS_DENIED',
      write: 'ERR_ACCESS_DENIED',
      child: 'ERR_ACCESS_DENIED',
    });
  });

  it('grants are granted', async () => {
    const folder = temporaryFolder('permission');
    const said = await answerOf(
      `import { writeFileSync } from 'node:fs'; import { execFileSync } from 'node:child_process';
       export const handle = () => { writeFileSync(${JSON.stringify(join(folder, 'x'))}, 'x'); return String(execFileSync('echo', ['ran'])); };`,
      { annotations: { [PERMISSION]: `fs-write=${folder} child-process` } },
    );
    expect(said).toBe('ran\n');
  });
});

describe('which functions start by a process of their own', () => {
  it.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, string>>, readonly string[]]>([
    ['nothing of the kind: none', {}, { NODE_ENV: 'production', TZ: 'UTC', PORT: '1' }, []],
    ['an empty NODE_OPTIONS: none', {}, { NODE_OPTIONS: '' }, []],
    ['NODE_OPTIONS', {}, { NODE_OPTIONS: '--trace-gc' }, ['variable NODE_OPTIONS']],
    ['the permission model, with no grants', { [PERMISSION]: '' }, {}, [`annotation ${PERMISSION}`]],
    [
      'both',
      { [HEAP]: '96Mi' },
      { NODE_EXTRA_CA_CERTS: '/ca.pem' },
      [`annotation ${HEAP}`, 'variable NODE_EXTRA_CA_CERTS'],
    ],
    ['a heap of a limit that is not there: none', { [HEAP]: 'limit' }, {}, []],
  ])('%s', (_, annotations, env, why) => {
    const ownStart = ownStartOf(annotations, { launch: FUNCTION, env, limits: NO_LIMITS });
    expect(coldReasons([serving({ launch: FUNCTION, ownStart })])).toEqual(why);
  });

  it('never a program: it is always one', () => {
    const launch = { kind: 'program', command: ['node', 'x'] } as const;
    expect(
      ownStartOf({}, { launch, env: { NODE_OPTIONS: '--trace-gc' }, limits: NO_LIMITS }),
    ).toBeUndefined();
  });

  it('says which annotations do nothing', () => {
    const program = serving({ name: 'web', launch: { kind: 'program', command: ['x'] } });
    expect(idleAnnotations({ [HEAP]: '64Mi' }, program)).toEqual([
      `annotation ${HEAP} is for Node functions, and container web is a program: give Node its flags in the command, or in NODE_OPTIONS`,
    ]);
    expect(idleAnnotations({ [HEAP]: 'limit' }, serving({ launch: FUNCTION }))).toEqual([
      expect.stringContaining('has no resources.limits.memory'),
    ]);
    expect(idleAnnotations({ [PERMISSION]: '' }, serving({ launch: FUNCTION }))).toEqual([]);
  });
});

describe('annotations that cannot be meant are refused', () => {
  it.each<[string, Readonly<Record<string, string>>, string | undefined]>([
    ['all grants', { [PERMISSION]: 'fs-read=/a,/b  fs-write=* child-process' }, 'invalid value: fs-write=*'],
    ['fine ones', { [PERMISSION]: 'fs-read=/a,/b fs-write=/c child-process worker addons wasi' }, undefined],
    ['a relative path', { [PERMISSION]: 'fs-read=a' }, 'invalid value: fs-read=a'],
    ['a grant that there is not', { [PERMISSION]: 'net' }, 'invalid value: net'],
    ['a heap too small', { [HEAP]: '1Mi' }, 'invalid value: 1Mi'],
    ['a heap that is no quantity', { [HEAP]: 'much' }, 'invalid value: much'],
    ['a heap', { [HEAP]: '1Gi' }, undefined],
    ['a misspelt name', { 'runtime.millrace.dev/node-permissions': '' }, 'invalid value: '],
    ['one of others', { 'example.com/node-heap': 'x' }, undefined],
  ])('%s', (_, annotations, message) => {
    expect(nodeStartErrors(annotations)[0]?.message).toBe(message);
  });
});
