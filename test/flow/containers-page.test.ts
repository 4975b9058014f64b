import { execFile } from 'node:child_process';
import { readdirSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { Networks } from '../../src/serving/runtime/process/network/networks.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { blocksOf, textOfPage } from '../kit/guide.ts';
import { BIN, platformStarter, runFileOf, type Running } from '../kit/millrace.ts';

const { why } = new Networks({ token: 'trial', onSpawn: () => undefined });
const start = platformStarter();
const folder = temporaryFolder('page');
const dataDir = join(folder, 'data');
const [apply = '', ask = ''] = blocksOf(textOfPage('docs/serving/containers.md')).flatMap(
  ({ language, text }) => (language === 'sh' ? [text] : []),
);

let platform: Running;

/** Lines of the page as its reader runs them; the gateway has a port that is free here. */
async function sh(lines: string): Promise<string> {
  const { host } = new URL(runFileOf(dataDir).endpoints.gateway);
  const { stdout } = await promisify(execFile)('sh', ['-ec', lines.replaceAll('127.0.0.1:8080', host)], {
    cwd: folder,
    env: {
      ...process.env,
      PATH: `${dirname(BIN)}:${process.env['PATH']}`,
      KUBECONFIG: join(dataDir, 'kubeconfig'),
      MILLRACE_DATA_DIR: dataDir,
    },
    timeout: 60_000,
  });
  return stdout;
}

/** The network namespaces that processes of this machine are in. */
function networks(): Set<string> {
  const found = readdirSync('/proc').flatMap((name): string[] => {
    try {
      return [readlinkSync(`/proc/${Number(name)}/ns/net`)];
    } catch {
      return []; // no process, or gone by now
    }
  });
  return new Set(found);
}

const title = `docs/serving/containers.md, ports${why === undefined ? '' : ` (not here: ${why})`}`;
describe.skipIf(why !== undefined)(title, { timeout: 60_000 }, () => {
  beforeAll(async () => {
    platform = await start(dataDir);
  });

  it('two programs that both insist on 8080 wake from zero side by side; a killed platform leaves nothing', async () => {
    const before = networks();
    await sh(apply);
    expect(await sh('kubectl get pods 2>&1')).toContain('No resources found');
    expect(await sh(ask)).toBe('hello from one\nhello from two\n');
    const running = (): Promise<string> => sh('kubectl get pods --no-headers');
    await expect.poll(running, { timeout: 10_000 }).toMatch(/^one-.* Running .*\ntwo-.* Running .*\n$/);
    const own = [...networks()].filter((each) => !before.has(each));
    expect(own.length).toBeGreaterThanOrEqual(2);
    await platform.stop('SIGKILL');
    const left = (): string[] => own.filter((each) => networks().has(each));
    await expect.poll(left, { timeout: 10_000 }).toEqual([]);
  });
});
