import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { FREE_PORTS, millrace, runFileOf, platformStarter } from '../kit/millrace.ts';

const root = temporaryFolder('up');
const up = platformStarter();
const modeOf = (path: string): number => statSync(path).mode & 0o777;

/** Processes that name this folder in their command line or environment: what belongs to a platform on it. */
function processesOn(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(folder);
      } catch {
        return false; // it ended meanwhile
      }
    })
    .map(Number);
}

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

describe('millrace up', { timeout: 30_000 }, () => {
  it('prints its addresses, the KUBECONFIG line and how soon it was ready, and keeps all to its owner', async () => {
    const folder = join(root, 'first');
    const platform = await up(folder);
    const run = runFileOf(folder);
    expect(run).toEqual({
      pid: platform.pid,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/),
      dataDir: folder,
      kubeconfig: join(folder, 'kubeconfig'),
      endpoints: {
        api: expect.stringMatching(/^https:\/\/127\.0\.0\.1:\d+$/),
        gateway: expect.stringMatching(/^http:/),
        events: expect.stringMatching(/^http:/),
        dashboard: expect.stringMatching(/^http:/),
      },
    });
    const lines = platform.stdout.split('\n');
    expect(lines.slice(0, 6)).toEqual([
      'Millrace is up',
      `  gateway    ${run.endpoints.gateway}`,
      `  events     ${run.endpoints.events}`,
      `  dashboard  ${run.endpoints.dashboard}`,
      `  API        ${run.endpoints.api}`,
      `  export KUBECONFIG=${run.kubeconfig}`,
    ]);
    expect(lines.at(-2)).toMatch(/^ready in \d+ ms$/);
    expect(modeOf(folder)).toBe(0o700);
    expect(modeOf(run.kubeconfig)).toBe(0o600);
    expect(modeOf(join(folder, 'run.json'))).toBe(0o600);
    for (const [path, code] of Object.entries({ '/healthz': 200, '/readyz': 200, '/other': 404 }))
      expect((await fetch(`${run.endpoints.dashboard}${path}`)).status).toBe(code);

    const second = await millrace(['up', '--data-dir', folder, ...FREE_PORTS]);
    expect(second.code).toBe(5);
    expect(second.stderr).toContain(
      `error[MR0020]: ${folder} is held by the platform with pid ${platform.pid}`,
    );
    expect(second.stderr).toContain('fix: millrace down');

    expect(await platform.stop('SIGTERM')).toBe(0);
    expect(platform.stderr).toContain('draining');
    expect(existsSync(join(folder, 'run.json'))).toBe(false);
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  it('names a taken port and the flag of its listener', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const held = async (flag: string): Promise<void> => {
      const folder = join(root, `taken${flag}`);
      const ended = await millrace(['up', '--data-dir', folder, ...FREE_PORTS, flag, `127.0.0.1:${port}`]);
      expect({ flag, ...ended }).toMatchObject({ flag, code: 1, stdout: '' });
      expect(ended.stderr).toContain('error[MR0021]');
      expect(ended.stderr).toContain(String(port));
      expect(ended.stderr).toContain(flag);
      expect(existsSync(join(folder, 'run.json'))).toBe(false);
    };
    await Promise.all(['--gateway', '--events', '--dashboard', '--api'].map(held));
  });

  it('comes up again after kill -9, and leaves no process behind', async () => {
    const folder = join(root, 'killed');
    const first = await up(folder);
    await expect.poll(() => childrenOf(first.pid).length).toBeGreaterThan(0); // its warm runners
    const children = childrenOf(first.pid);
    expect(await first.stop('SIGKILL')).toBe('SIGKILL');
    expect(existsSync(join(folder, 'run.json'))).toBe(true);
    expect((await millrace(['status', '--data-dir', folder])).code).toBe(3);
    await expect
      .poll(() => children.filter((pid) => existsSync(`/proc/${pid}`)), { timeout: 5000 })
      .toEqual([]);

    const second = await up(folder);
    expect(runFileOf(folder).pid).toBe(second.pid);
    const stopped = await millrace(['down', '--data-dir', folder]);
    expect(stopped).toEqual({ code: 0, stdout: `stopped (pid ${second.pid})\n`, stderr: '' });
    expect(await second.ended()).toBe(0);
    await expect.poll(() => processesOn(folder), { timeout: 5000 }).toEqual([]);
  });

  it('answers what is in flight before it ends on SIGTERM', async () => {
    const folder = join(root, 'draining');
    const platform = await up(folder);
    const code = folderWith('slow', {
      'index.js':
        "exports.handle = () => { console.log('asked'); return new Promise((done) => setTimeout(done, 1500, 'done')); };",
    });
    await millrace(['push', 'slow', code, '--data-dir', folder]);
    const { kubeconfig } = runFileOf(folder);
    const kubectl = kubectlFor(root, kubeconfig);
    const service =
      'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: slow}\n' +
      'spec: {template: {spec: {containers: [{image: slow}]}}}\n';
    expect(await kubectl(['apply'], service)).toMatchObject({ code: 0 });
    expect(await kubectl(['wait', '--for=condition=Ready', '--timeout=15s', 'ksvc/slow'])).toMatchObject({
      code: 0,
    });
    const sending = millrace(['send', 'service/slow', '--type', 't', '--data-dir', folder]);
    const logs = (): Promise<string> =>
      kubectl(['logs', '-l', 'serving.knative.dev/service=slow']).then(({ stdout }) => stdout);
    await expect.poll(logs, { timeout: 10_000, interval: 100 }).toContain('asked');
    expect(await platform.stop('SIGTERM')).toBe(0);
    expect(await sending).toMatchObject({ code: 0, stdout: expect.stringMatching(/ 200 done\n$/) });
  });

  it('does not touch a folder that a newer version wrote', async () => {
    const folder = join(root, 'newer');
    mkdirSync(folder);
    writeFileSync(join(folder, 'VERSION'), '99\n');
    const { code, stderr } = await millrace(['up', '--data-dir', folder, ...FREE_PORTS]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[MR0023\]: .* has format 99, which is newer than 1/);
    expect(readdirSync(folder)).toEqual(['VERSION']);
    expect(readFileSync(join(folder, 'VERSION'), 'utf8')).toBe('99\n');
  });

  it('stops at once on a second signal', async () => {
    const platform = await up(join(root, 'twice'));
    platform.child.kill('SIGINT');
    platform.child.kill('SIGTERM');
    expect([0, 1]).toContain(await platform.ended()); // 0 when the first had nothing left to drain
  });

  it('refuses what is no address, number, URL, format or argument, before it makes a folder', async () => {
    const folder = join(root, 'refused');
    const wrong = [
      ['MR0003', '--gatway', ':0'],
      ['MR0005', '--gateway', 'here'],
      ['MR0005', '--api', '127.0.0.1:70000'],
      ['MR0006', '--max-event-bytes', '0'],
      ['MR0007', '--log-format', 'xml'],
      ['MR0008', '--public-url', 'nowhere'],
      ['MR0005', '--gateway-tls', '8444'],
      ['MR0016', '--trusted-proxies', '10.0.0.0/8,example.com'],
      ['MR0009', 'now'],
    ];
    for (const [code, ...args] of wrong) {
      const ended = await millrace(['up', '--data-dir', folder, ...args]);
      expect({ args, ...ended }).toMatchObject({ args, code: 2, stdout: '' });
      expect(ended.stderr).toContain(`error[${code}]`);
    }
    expect(existsSync(folder)).toBe(false);
  });

  it('takes the environment where no flag says otherwise', async () => {
    const env = { MILLRACE_DATA_DIR: join(root, 'of-env') };
    expect((await millrace(['status'], env)).stderr).toContain(env.MILLRACE_DATA_DIR);
    const flagged = await millrace(['status', '--data-dir', join(root, 'of-flag')], env);
    expect(flagged.stderr).toContain(join(root, 'of-flag'));
    expect((await millrace(['up'], { ...env, MILLRACE_GATEWAY: 'here' })).stderr).toContain('--gateway here');
  });
});

describe('millrace without a platform', () => {
  it.each([
    ['status'],
    ['down'],
    ['images'],
    ['tail'],
    ['trace', 'x'],
    ['dead-letters', 'list'],
    ['backup', 'x'],
  ])('%s exits 3 and tells to start one', async (...args) => {
    const { code, stderr } = await millrace([...args, '--data-dir', join(root, 'none')]);
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: `error[MR0010]: no platform is running (data folder ${join(root, 'none')})\nfix: millrace up\n`,
    });
  });

  it('tells its version and its commands, and what is no command', async () => {
    expect((await millrace(['--version'])).stdout).toMatch(/^millrace \d+\.\d+\.\d+ \(Node v24\./);
    expect(JSON.parse((await millrace(['version', '-o', 'json'])).stdout)).toHaveProperty('version');
    const { stdout } = await millrace(['--help']);
    for (const name of ['up', 'down', 'status', 'demo', 'push', 'images', 'send', 'tail', 'trace', 'backup'])
      expect(stdout).toMatch(new RegExp(`^ +${name} `, 'm'));
    const unknown = await millrace(['stauts']);
    expect(unknown).toMatchObject({ code: 2, stdout: '' });
    expect(unknown.stderr).toContain('did you mean "status"');
  });
});
