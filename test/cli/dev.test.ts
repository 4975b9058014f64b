import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { ApiClient } from '../../src/cli/client.ts';
import { FolderWatch } from '../../src/cli/dev/folder-watch.ts';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, Running, runFileOf } from '../kit/millrace.ts';

const running: Running[] = [];
afterAll(async () => {
  for (const each of running) await each.stop('SIGKILL');
});

function dev(...args: string[]): Running {
  const started = new Running(['dev', ...args], { HOME: temporaryFolder('home') });
  running.push(started);
  return started;
}

const says = (word: string): string =>
  `export const handle = ({ path }: { path: string }): string => {\n  if (path === '/fail') throw new Error('no luck');\n  console.log('asked for', path);\n  return ${JSON.stringify(word)};\n};\n`;

async function ask(url: string, path = '/'): Promise<string> {
  return (await request(new URL(path, url))).body.text();
}

async function doorOf(session: Running): Promise<string> {
  await session.printed(/^watching /m);
  return /^answers\s+(\S+)/m.exec(session.stdout)?.[1] ?? '';
}

describe('millrace dev', () => {
  it('serves a folder, takes each save, keeps the last good one, and tells file and line', async () => {
    const folder = folderWith('greeter', { 'index.ts': says('one') });
    const file = join(folder, 'index.ts');
    const session = dev(folder, '--name', 'greeter');
    const url = await doorOf(session);
    expect(session.stdout).toMatch(/^platform {2}none was running/m);
    expect(session.stdout).toMatch(/^ready {5}greeter-00001 in \d+ ms$/m);
    expect(await ask(url, '/first')).toBe('one');

    writeFileSync(file, says('two'));
    await session.printed(/^ready {5}greeter-00002/m);
    expect(await ask(url)).toBe('two');

    writeFileSync(file, 'export const handle = () => {\n  const = 3;\n};\n'); // is no TypeScript
    await session.printed(/^error {5}index\.ts:2: .*\n {10}greeter-00002 goes on serving$/m);
    expect(await ask(url)).toBe('two');

    writeFileSync(file, `${says('three')}\nexport const init = () => { throw new Error('no database'); };\n`);
    await session.printed(/^error {5}.*no database \(index\.ts:7\).*\n {10}greeter-00002 goes on serving$/m);
    expect(await ask(url)).toBe('two');

    writeFileSync(join(folder, 'index.ts~'), says('four')); // as many editors do
    renameSync(join(folder, 'index.ts~'), file);
    await session.printed(/^ready {5}greeter-00004/m);
    expect(await ask(url)).toBe('four');
    expect(await ask(url, '/fail')).toBe('no luck');

    await session.printed(/^200 {7}GET \/first in [\d.]+ ms$/m);
    await session.printed(/^\| {9}asked for \/first$/m);
    await session.printed(/^500 {7}GET \/fail in/m);
    await session.printed(/^\| {9} +at .*handle \(index\.ts:2:\d+\)$/m); // an error as it occurs
    expect(await session.stop('SIGINT')).toBe(0);
    expect(session.stdout).toMatch(/^removed {3}Service default\/greeter$/m);
    await expect(ask(url)).rejects.toThrow('ECONNREFUSED');
  }, 60_000);

  describe('on a platform that runs', () => {
    const start = platformStarter();
    const root = temporaryFolder('dev');
    const dataDir = join(root, 'data');

    it('uses it; what it has made goes with it, what was there or is to be kept stays', async () => {
      await start(dataDir);
      const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
      const folder = folderWith('hello', { 'index.ts': says('dev') });
      const names = async (): Promise<string> => (await kubectl(['get', 'ksvc', '-o', 'name'])).stdout;
      const onIt = async (name: string, ...more: string[]): Promise<Running> => {
        const session = dev(folder, '--name', name, '--data-dir', dataDir, ...more);
        expect(await ask(await doorOf(session))).toBe('dev');
        return session;
      };
      const passing = await onIt('passing');
      expect(passing.stdout).not.toContain('none was running');
      expect(await names()).toContain('service.serving.knative.dev/passing');
      await passing.stop('SIGTERM');
      expect(await names()).not.toContain('passing');

      await (await onIt('kept', '--keep')).stop('SIGINT');
      expect(await names()).toContain('kept');

      const sent = dev(folder, '--name', 'kept', '--data-dir', dataDir);
      await doorOf(sent);
      const { gateway } = runFileOf(dataDir).endpoints;
      const headers = { host: 'kept.default.localhost' };
      expect(await (await request(gateway, { headers })).body.text()).toBe('dev');
      await sent.printed(/^200 {7}a request at the gateway in/m);
      const event = ['send', 'service/kept', '--type', 'order.paid', '--id', '42', '--data-dir', dataDir];
      expect(await millrace(event)).toMatchObject({ code: 0 });
      await sent.printed(/^200 {7}event order\.paid 42 in/m);
      await sent.stop('SIGINT');
      expect(sent.stdout).toMatch(/^left {6}Service default\/kept$/m);
      expect(await names()).toContain('kept');
    }, 60_000);

    it('changes only the image of a Service that was there', async () => {
      const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
      const file = join(root, 'own.yaml');
      const container = { image: 'dev.local/kept', env: [{ name: 'WORD', value: 'mine' }] };
      writeFileSync(
        file,
        JSON.stringify({
          apiVersion: 'serving.knative.dev/v1',
          kind: 'Service',
          metadata: { name: 'own' },
          spec: { template: { spec: { containers: [container] } } },
        }),
      );
      expect(await kubectl(['apply', '-f', file])).toMatchObject({ code: 0 });
      const folder = folderWith('own', { 'index.js': 'module.exports = () => process.env.WORD' });
      const session = dev(folder, '--name', 'own', '--data-dir', dataDir);
      expect(await ask(await doorOf(session))).toBe('mine');
      await session.stop('SIGINT');
      expect((await kubectl(['get', 'ksvc', 'own', '-o', 'name'])).code).toBe(0);
    }, 30_000);

    it('is told of an instance that has not begun to print, and asks again', async () => {
      const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
      expect(await kubectl(['run', 'late', '--image=late'])).toMatchObject({ code: 0 });
      const waiting = '-o=jsonpath={.status.containerStatuses[0].state.waiting.reason}';
      await expect
        .poll(async () => (await kubectl(['get', 'pod', 'late', waiting])).stdout)
        .toMatch(/^(?:ErrImagePull|ImagePullBackOff)$/);
      const context = { args: [], env: {}, stdout: process.stdout, stderr: process.stderr };
      const client = await ApiClient.open(context, dataDir);
      const log = '/api/v1/namespaces/default/pods/late/log?follow=true';
      const lines = client.lines(log, new AbortController().signal);
      await expect(lines.next()).rejects.toMatchObject({
        exit: 1,
        message: expect.stringMatching(/^container "late" in pod "late" is waiting to start: /),
      });
    }, 30_000);
  });

  it.each<[string, readonly string[], number, RegExp]>([
    ['no folder', [], 2, /error\[MR0032\]: dev takes a folder/],
    ['one that is not there', ['/no/where'], 3, /error\[MR0033\]: \/no\/where does not exist/],
    ['a name that is none', ['.', '--name', 'Not_One'], 2, /error\[MR0032\]: "Not_One" is no name/],
    ['a port that is none', ['.', '--name', 'a', '--port', 'x'], 2, /--port x is no whole number/],
  ])('refuses %s', async (_, args, code, message) => {
    expect(await millrace(['dev', ...args])).toMatchObject({ code, stderr: expect.stringMatching(message) });
  });

  it('says that its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve));
    const { port } = taken.address() as AddressInfo; // a TCP server that listens has one
    const folder = folderWith('greeter', { 'index.ts': says('one') });
    const session = dev(folder, '--name', 'a', '--port', String(port));
    expect(await session.ended()).toBe(1);
    expect(session.stderr).toContain('error[MR0034]: ');
    taken.close();
  }, 20_000);
});

describe('what dev watches', () => {
  const opened: FolderWatch[] = [];
  afterAll(() => {
    for (const each of opened) each.close();
  });

  function watched(path: string, foldersMax?: number) {
    let changes = 0;
    const watch = new FolderWatch({
      path,
      onChange: () => (changes += 1),
      ...(foldersMax !== undefined && { foldersMax }),
    });
    opened.push(watch);
    watch.open();
    return { watch, changes: () => changes };
  }

  it('is the sources, those of folders that come later too, and neither node_modules nor what is hidden', async () => {
    const root = folderWith('watch', {
      'a.ts': '',
      'lib/b.ts': '',
      'node_modules/x/index.js': '',
      '.git/HEAD': '',
    });
    const { watch, changes } = watched(root);
    expect(watch.extent).toEqual({ folders: 2, isWhole: true });
    writeFileSync(join(root, 'node_modules/x/index.js'), 'x');
    writeFileSync(join(root, '.git/HEAD'), 'x');
    writeFileSync(join(root, '.env.swp'), 'x');
    writeFileSync(join(root, 'lib/b.ts'), 'x');
    writeFileSync(join(root, 'a.ts'), 'x');
    await expect.poll(changes).toBe(1); // of all that was saved together, and of nothing else
    mkdirSync(join(root, 'lib/deep'));
    await expect.poll(() => watch.extent.folders).toBe(3);
    const before = changes();
    writeFileSync(join(root, 'lib/deep/c.ts'), 'x');
    await expect.poll(changes).toBeGreaterThan(before);
  });

  it('is a single file, and not its neighbours', async () => {
    const root = folderWith('watch', { 'a.ts': '', 'b.ts': '' });
    const { watch, changes } = watched(join(root, 'a.ts'));
    expect(watch.extent).toEqual({ folders: 1, isWhole: true });
    writeFileSync(join(root, 'b.ts'), 'x');
    writeFileSync(join(root, 'a.ts'), 'x');
    await expect.poll(changes).toBe(1);
  });

  it('is bounded, nearest folders first, and tells so', () => {
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i}/deep/x.ts`, '']));
    const { watch } = watched(folderWith('watch', files), 10);
    expect(watch.extent).toEqual({ folders: 10, isWhole: false });
  });
});
