import { symlinkSync, writeFileSync, chmodSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ImageStore } from '../../../src/serving/images/image-store.ts';
import { parseUser } from '../../../src/serving/images/launch.ts';
import { parseImageName } from '../../../src/serving/images/name.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';

const accepting = async (): Promise<undefined> => undefined;
const store = (
  check: (directory: string, entry: string) => Promise<string | undefined> = accepting,
): ImageStore => new ImageStore(temporaryFolder('images'), check);

describe('an image name', () => {
  it.each([
    ['greeter', 'docker.io/library/greeter:latest'],
    ['me/greeter:v1', 'docker.io/me/greeter:v1'],
    ['gcr.io/knative-samples/helloworld-go', 'gcr.io/knative-samples/helloworld-go:latest'],
    ['localhost:5000/a', 'localhost:5000/a:latest'],
    ['dev.local/a', 'dev.local/a:latest'],
  ])('%s is %s, as Docker has it', (reference, name) => expect(parseImageName(reference).name).toBe(name));

  it.each(['', 'Greeter', 'a b', 'a:', 'a@sha256:1', '../a', 'a//b'])('%j is refused', (reference) => {
    expect(() => parseImageName(reference)).toThrow('is no image name');
  });
});

describe('push', () => {
  it.each<[string, Record<string, string>, unknown]>([
    [
      'a function by its entry',
      { 'index.js': 'module.exports = () => 1' },
      { kind: 'function', entry: 'index.js' },
    ],
    [
      'a function by main',
      { 'package.json': '{"main":"./lib/f.js"}', 'lib/f.js': 'exports.handle = 1' },
      { kind: 'function', entry: 'lib/f.js' },
    ],
    [
      'a function in spite of a start script',
      {
        'package.json': '{"scripts":{"start":"faas-js-runtime"}}',
        'index.js': 'module.exports = { handle() {} }',
      },
      { kind: 'function', entry: 'index.js' },
    ],
    [
      'TypeScript by its stripped code',
      { 'package.json': '{"type":"module"}', 'index.ts': 'export default (a: number) => a' },
      { kind: 'function', entry: 'index.js' },
    ],
    [
      'a program by Procfile',
      { Procfile: 'web: python3 app.py\n', 'app.py': '' },
      { kind: 'program', command: ['sh', '-c', 'exec python3 app.py'] },
    ],
    [
      'a program by start script',
      { 'package.json': '{"scripts":{"start":"node server.js"}}', 'server.js': '' },
      { kind: 'program', command: ['sh', '-c', 'exec node server.js'] },
    ],
  ])('recognises %s', async (_, files, launch) => {
    const pushed = await store().push('x', folderWith('push', files), undefined, 0);
    expect(pushed).toMatchObject({
      name: 'docker.io/library/x:latest',
      launch,
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
  });

  it('stores one executable file, and takes --command over everything', async () => {
    const folder = folderWith('push', { run: '#!/bin/sh\n', 'index.js': 'module.exports = 1' });
    chmodSync(join(folder, 'run'), 0o755);
    expect((await store().push('x', join(folder, 'run'), undefined, 0)).launch).toEqual({
      kind: 'program',
      command: ['./run'],
    });
    expect((await store().push('x', folder, 'go run .', 0)).launch).toEqual({
      kind: 'program',
      command: ['sh', '-c', 'go run .'],
    });
  });

  it('gives the same bundle the same digest, and a name its newest; a digest keeps its meaning', async () => {
    const images = store();
    const folder = folderWith('push', { 'index.js': 'module.exports = () => 1' });
    const first = await images.push('x', folder, undefined, 0);
    expect((await images.push('y', folder, undefined, 0)).digest).toBe(first.digest);
    writeFileSync(join(folder, 'index.js'), 'module.exports = () => 2');
    const second = await images.push('x', folder, undefined, 0);
    expect(second.digest).not.toBe(first.digest);
    expect(images.resolve('x')?.digest).toBe(second.digest);
    expect(images.resolve(`x@${first.digest}`)?.digest).toBe(first.digest);
    expect(images.resolve('z')).toBeUndefined();
    expect(images.list().filter((each) => 'pushedAt' in each)).toHaveLength(2);
  });

  it('keeps whom it runs as, which makes it another image', async () => {
    const images = store();
    const folder = folderWith('program', { Procfile: 'web: ./serve' });
    const plain = await images.push('dev.local/a', folder, undefined, 0);
    const other = await images.push('dev.local/a', folder, undefined, 0, parseUser('65532'));
    expect(other.digest).not.toBe(plain.digest);
    const command = ['sh', '-c', 'exec ./serve'];
    expect(images.resolve('dev.local/a')).toEqual({
      digest: other.digest,
      directory: expect.any(String),
      launch: { kind: 'program', command },
      user: { uid: 65532, gid: 65532 },
    });
    expect(images.resolve(`dev.local/a@${plain.digest}`)).not.toHaveProperty('user');
  });

  it.each(['nobody', '-1', '1:', '1:x', '2147483648'])('refuses %j as a user', (written) => {
    expect(() => parseUser(written)).toThrow('is no user; it is UID or UID:GID');
  });

  it('strips types so that neighbours are found', async () => {
    const { directory } = await store().push(
      'x',
      folderWith('push', {
        'package.json': '{"type":"module"}',
        'index.ts': `import { one } from './lib/one.ts'; export default (): number => one;`,
        'lib/one.ts': 'export const one: number = 1;',
      }),
      undefined,
      0,
    );
    const loaded = (await import(join(directory, 'index.js'))) as { default: () => number };
    expect(loaded.default()).toBe(1);
  });

  it.each<[string, Record<string, string>, string]>([
    ['nothing that can start', { 'readme.md': '' }, 'nothing here can be started'],
    ['a broken package.json', { 'package.json': '{' }, 'package.json is not JSON'],
    [
      'TypeScript that needs more than stripping',
      { 'index.ts': 'enum A { B }; export default A' },
      'types are stripped, not compiled',
    ],
  ])('refuses %s, and says why', async (_, files, reason) => {
    await expect(store().push('x', folderWith('push', files), undefined, 0)).rejects.toThrow(reason);
  });

  it('refuses a link out of the image, and a path that is not there', async () => {
    const folder = folderWith('push', { 'index.js': '' });
    symlinkSync('/etc/passwd', join(folder, 'secret'));
    await expect(store().push('x', folder, undefined, 0)).rejects.toThrow(
      'secret is a link out of the image',
    );
    await expect(store().push('x', '/not/there', undefined, 0)).rejects.toThrow('/not/there does not exist');
  });

  it('refuses a function that does not load, with what it threw', async () => {
    const failing = store(async () => 'no database');
    const folder = folderWith('push', { 'index.js': 'module.exports = 1' });
    await expect(failing.push('x', folder, undefined, 0)).rejects.toMatchObject({
      code: 'FUNCTION_INVALID',
      message: 'the function cannot be loaded: no database',
    });
  });
});
