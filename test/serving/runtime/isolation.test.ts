import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cgroups } from '../../../src/serving/runtime/process/isolation/cgroups.ts';
import { Namespaces } from '../../../src/serving/runtime/process/isolation/namespaces.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { VolumeSpec } from '../../../src/serving/runtime/volume-spec.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { askOf, openLocalRuntime, runIn, serving } from '../../kit/local-runtime.ts';
import { aContainer, revisionPlan } from '../../kit/small-platform.ts';

const NOBODY = { uid: undefined, gid: undefined, mustNotBeRoot: false };
const { way } = new Namespaces(temporaryFolder('mounts'));
const cgroups = new Cgroups({ name: 'trial' });
const [noMemory, noCpu] = [cgroups.why('memory'), cgroups.why('cpu')];
const isRoot = process.getuid?.() === 0;
const local = openLocalRuntime();
const { start, statusOf } = local;

const file = (path: string, text: string, mode = 0o644) => ({ path, content: Buffer.from(text), mode });
const files = (name: string, ...of: ReturnType<typeof file>[]): VolumeSpec => ({
  kind: 'files',
  name,
  files: of,
});
const mount = (volume: string, path: string, more: { subPath?: string; isReadOnly?: boolean } = {}) => ({
  volume,
  path,
  subPath: '',
  isReadOnly: true,
  ...more,
});
const empty = (name: string, more: Partial<Extract<VolumeSpec, { kind: 'empty' }>> = {}): VolumeSpec => ({
  kind: 'empty',
  name,
  isMemory: false,
  bytesMax: undefined,
  ...more,
});

describe.skipIf(way.kind === 'none')(`volumes (${way.kind === 'none' ? way.why : way.kind})`, () => {
  it('of files are at their path, wherever that is, and are not to be written; the machine keeps its own', async () => {
    const paths = ['/no-such-root/secret', '/etc/no-such/deep', '/usr/local/no-such'];
    const before = execFileSync('ls', ['/', '/etc', '/usr/local']).toString();
    const instance = await start([serving({ mounts: paths.map((path) => mount('keys', path)) })], {
      volumes: [files('keys', file('token', 'sesame', 0o400), file('deep/er', 'below'))],
    });
    for (const path of paths) {
      expect(await runIn(instance, `cat ${path}/token ${path}/deep/er; stat -Lc %a ${path}/token`)).toBe(
        'sesamebelow400\n',
      );
      expect(await runIn(instance, `touch ${path}/mine`)).toMatch(/Read-only file system/);
      expect(existsSync(path)).toBe(false);
    }
    expect(await runIn(instance, 'ls /etc/hostname && ls -d /proc/self /dev/null')).toBe(
      '/etc/hostname\n/dev/null\n/proc/self\n',
    );
    expect(execFileSync('ls', ['/', '/etc', '/usr/local']).toString()).toBe(before);
    await instance.stop(0);
  });

  it('of files follow their objects as one, and keep a subPath as it was', async () => {
    const spec = { volumes: [files('conf', file('a', '1'), file('gone', 'x'))] };
    const containers = [
      serving({ mounts: [mount('conf', '/conf-here'), mount('conf', '/pinned/a', { subPath: 'a' })] }),
    ];
    const instance = await start(containers, spec);
    expect(await runIn(instance, 'ls /conf-here; cat /conf-here/a /pinned/a')).toBe('a\ngone\n11');
    const { namespace, revision, service, configuration } = {
      namespace: 'demo',
      revision: 'f-00001',
      service: 'f',
      configuration: 'f',
    };
    const next = { volumes: [files('conf', file('a', '2'), file('new', 'y'))] };
    instance.refresh({
      namespace,
      revision,
      service,
      configuration,
      containers,
      initContainers: [],
      readyTimeoutMs: 1,
      ...next,
    });
    expect(await runIn(instance, 'ls /conf-here; cat /conf-here/a /pinned/a')).toBe('a\nnew\n21');
    await instance.stop(0);
  });

  it('that are empty are shared by its containers, survive a crash, and go with the instance', async () => {
    const mounts = [mount('work', '/work-here', { isReadOnly: false })];
    const spec = {
      volumes: [empty('work')],
      initContainers: [
        aContainer({
          name: 'init',
          mounts,
          launch: { kind: 'program', command: ['sh', '-c', 'echo ready >> /work-here/made'] },
        }),
      ],
    };
    const first = await start([serving({ mounts })], spec, 'keeps');
    expect(await runIn(first, 'echo mine > /work-here/mine; cat /work-here/made')).toBe('ready\n');
    await expect(askOf(first, '/exit?1')).rejects.toThrow();
    await first.ended;
    const second = await start([serving({ mounts })], spec, 'keeps');
    expect(await runIn(second, 'cat /work-here/made /work-here/mine')).toBe('ready\nready\nmine\n');
    await second.stop(0);
    const third = await start([serving({ mounts })], spec, 'keeps');
    expect(await runIn(third, 'cat /work-here/made; ls /work-here')).toBe('ready\nmade\n');
    await third.stop(0);
  });

  it('in memory hold no more than their sizeLimit', async () => {
    const mounts = [mount('fast', '/fast-here', { isReadOnly: false })];
    const instance = await start([serving({ mounts })], {
      volumes: [empty('fast', { isMemory: true, bytesMax: 65_536 })],
    });
    expect(
      await runIn(instance, 'stat -fc %T /fast-here; head -c 200000 /dev/zero > /fast-here/big'),
    ).toMatch(/^exit 1: tmpfs\n.*No space left/s);
    await instance.stop(0);
  });

  it('are seen by a function, by its probes, and by nobody else', async () => {
    const directory = folderWith('image', {
      'index.mjs':
        "import { readFileSync } from 'node:fs'; const at = readFileSync('/keys-here/token', 'utf8'); export const handle = () => at;",
    });
    const instance = await start(
      [
        serving({
          directory,
          launch: { kind: 'function', entry: 'index.mjs' },
          mounts: [mount('keys', '/keys-here')],
          readiness: {
            action: { kind: 'exec', command: ['grep', 'sesame', '/keys-here/token'] },
            initialDelayMs: 0,
            periodMs: 0,
            timeoutMs: 1000,
            successThreshold: 1,
            failureThreshold: 3,
          },
        }),
      ],
      { volumes: [files('keys', file('token', 'sesame'))] },
    );
    expect(await askOf(instance, '/')).toBe('sesame');
    await instance.stop(0);
  });

  it('may not be left by a subPath', async () => {
    const containers = [serving({ mounts: [mount('conf', '/x', { subPath: 'a/../../..' })] })];
    await expect(start(containers, { volumes: [files('conf', file('a', '1'))] })).rejects.toMatchObject({
      code: 'ContainerCannotRun',
      message: 'subPath a/../../.. leads out of its volume',
    });
  });
});

describe.skipIf(!isRoot || way.kind !== 'root')('runAsUser (as root)', () => {
  it('is who a program, its probes and a function run as, though their image is closed to others', async () => {
    const user = { uid: 2020, gid: 2021, mustNotBeRoot: true };
    const directory = folderWith('closed', {
      'index.mjs': 'export const handle = () => `${process.getuid()}:${process.getgid()}`;',
      'x.js': '',
    });
    expect(execFileSync('stat', ['-c', '%a', join(directory, '..')]).toString()).toMatch(/[0-6]\n$/); // nobody else gets there
    const program = await start([serving({ user, directory })]);
    expect(await runIn(program, 'id -u; id -g; ls')).toBe('2020\n2021\nindex.mjs\nx.js\n');
    await program.stop(0);
    const fn = await start([serving({ user, directory, launch: { kind: 'function', entry: 'index.mjs' } })]);
    expect(await askOf(fn, '/')).toBe('2020:2021');
    await fn.stop(0);
  });

  it('is with volumes and limits, below one folder that is closed to all, with root’s group', async () => {
    const data = folderWith('data', { 'images/one/x.js': '' });
    const logs = { write: () => undefined };
    const runtime = ProcessRuntime.open({ folder: join(data, 'runtime'), warm: 0, logs, routes: () => [] });
    const { instance: spec } = revisionPlan('f', '/', { kind: 'program', command: [] });
    const container = serving({
      directory: join(data, 'images/one'),
      user: { uid: 2020, gid: undefined, mustNotBeRoot: true },
      mounts: [mount('keys', '/keys-here')],
      limits: { memoryBytes: 256 * 1024 * 1024, milliCpus: undefined },
    });
    const volumes = [files('keys', file('token', 'sesame', 0o444))];
    const instance = await runtime.start({ ...spec, containers: [container], volumes }, 'one');
    expect(await runIn(instance, 'id -u; ls; cat /keys-here/token')).toBe('2020\nx.js\nsesame');
    await runtime.close();
  });

  it('is refused when it must not be root and would be', async () => {
    await expect(start([serving({ user: { ...NOBODY, mustNotBeRoot: true } })])).rejects.toMatchObject({
      code: 'ContainerCannotRun',
      message: expect.stringMatching(
        /^container user-container has runAsNonRoot and would run as root; name a user with runAsUser/,
      ),
    });
  });
});

describe.skipIf(noMemory !== undefined)(`a memory limit (${noMemory ?? 'enforced'})`, () => {
  it('ends what uses more, of a program and of a function, and says so', async () => {
    const limits = { memoryBytes: 96 * 1024 * 1024, milliCpus: undefined };
    const eat = 'const kept = []; for (;;) kept.push(Buffer.alloc(8e6, 1));';
    const directory = folderWith('eater', { 'index.mjs': `export const handle = () => { ${eat} };` });
    for (const launch of [
      {
        kind: 'program',
        command: [
          'node',
          '-e',
          `require('node:http').createServer(() => { ${eat} }).listen(process.env.PORT)`,
        ],
      },
      { kind: 'function', entry: 'index.mjs' },
    ] as const) {
      const instance = await start([serving({ directory, launch, limits })]);
      await expect(askOf(instance, '/')).rejects.toThrow();
      expect(await instance.ended).toMatchObject({
        signal: 'SIGKILL',
        wasAsked: false,
        reason: expect.stringMatching(
          /^OOMKilled: it used more memory than its limit of 100663296 bytes \(.*\); ended by SIGKILL/,
        ),
      });
      expect(statusOf(instance.id, 'user-container')?.state).toMatchObject({
        reason: 'OOMKilled',
        exitCode: 137,
      });
    }
  });
});

describe.skipIf(noCpu !== undefined)(`a cpu limit (${noCpu ?? 'enforced'})`, () => {
  it('is what its control group says', async () => {
    const instance = await start([serving({ limits: { memoryBytes: undefined, milliCpus: 250 } })]);
    const own = await runIn(instance, 'cat /proc/self/cgroup');
    const path = /^\d+:(?:cpu|cpu,cpuacct|):(.*millrace-.*)$/m.exec(own)?.[1] ?? '';
    const quota = ['cpu/', 'cpu,cpuacct/', '']
      .map((mounted) => `/sys/fs/cgroup/${mounted}${path}`)
      .flatMap((folder) => [join(folder, 'cpu.cfs_quota_us'), join(folder, 'cpu.max')])
      .find((each) => existsSync(each));
    expect(readFileSync(quota ?? '', 'utf8')).toMatch(/^25000/);
    await instance.stop(0);
    await expect.poll(() => existsSync(join(quota ?? '', '..'))).toBe(false);
  });
});

describe('where something is not allowed', () => {
  it('a limit that nobody enforces is told, and how to have it enforced', () => {
    const root = temporaryFolder('no-cgroups');
    const none = new Cgroups({ root, own: '0::/\n', name: 'x' });
    expect(none.why('memory')).toBe('the kernel shows no memory control group for the platform');
  });

  it('what a process is not given is told, and it starts without', async () => {
    const container = serving({ unhonoured: ['securityContext.seccompProfile'] });
    const { instance } = revisionPlan('f', '/', { kind: 'program', command: [] });
    expect(local.runtime.unmet({ ...instance, containers: [container] })).toEqual([
      {
        kind: 'ignored',
        what: 'user',
        message:
          'container user-container runs as a process of this machine, without securityContext.seccompProfile',
      },
    ]);
    await (await start([container])).stop(0);
  });

  it('version 2 is used beside the platform when it cannot be below it', () => {
    const root = temporaryFolder('cgroup2');
    mkdirSync(join(root, 'slice/unit'), { recursive: true });
    writeFileSync(join(root, 'slice/cgroup.subtree_control'), 'cpu memory pids\n');
    const own = new Cgroups({ root, own: '0::/slice/unit\n', name: 'x' });
    own.open({ memoryBytes: 1000, milliCpus: 1500 });
    const folder = join(root, 'slice/millrace-x-1');
    expect(readFileSync(join(folder, 'memory.max'), 'utf8')).toBe('1000');
    expect(readFileSync(join(folder, 'cpu.max'), 'utf8')).toBe('150000 100000');
  });
});
