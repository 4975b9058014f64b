import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { request } from 'undici';
import { kubectlFor } from '../kit/api-server.ts';
import { parseExposition } from '../kit/exposition.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf, type Running } from '../kit/millrace.ts';

const root = temporaryFolder('usage');
const dataDir = join(root, 'data');
const start = platformStarter();
const SERVICE = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: busy}
spec: {template: {spec: {containers: [{image: busy}]}}}
`;
const CODE =
  'exports.handle = () => { for (const end = Date.now() + 30; Date.now() < end; ); return "done"; };\n';
let platform: Running;

type Row = {
  readonly revision: string;
  readonly requests: number;
  readonly instanceSeconds: number;
  readonly cpuSeconds: number;
};
async function used(...args: readonly string[]): Promise<readonly Row[]> {
  const { code, stdout, stderr } = await millrace(['usage', ...args, '-o', 'json', '--data-dir', dataDir]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as Row[];
}
async function ask(times: number): Promise<void> {
  const { gateway } = runFileOf(dataDir).endpoints;
  for (let i = 0; i < times; i += 1) {
    const { statusCode, body } = await request(gateway, { headers: { host: 'busy.default.localhost' } });
    expect({ statusCode, text: await body.text() }).toEqual({ statusCode: 200, text: 'done' });
  }
}

describe('millrace usage', { timeout: 60_000 }, () => {
  beforeAll(async () => {
    platform = await start(dataDir);
    const push = await millrace([
      'push',
      'busy',
      folderWith('busy', { 'index.js': CODE }),
      '--data-dir',
      dataDir,
    ]);
    expect(push).toMatchObject({ code: 0 });
    const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    expect(await kubectl(['apply'], SERVICE)).toMatchObject({ code: 0 });
    expect(await kubectl(['wait', '--for=condition=Ready', 'ksvc/busy', '--timeout=20s'])).toMatchObject({
      code: 0,
    });
  }, 60_000);

  it('tells requests, instance time and CPU time of a Service, revision by revision', async () => {
    await ask(10);
    const rows = await used('busy', '--since', '1h');
    expect(rows).toMatchObject([{ revision: 'busy-00001', requests: 10 }]);
    // Ten times 30 ms of work, and what the function's process took to begin.
    expect(rows[0]?.cpuSeconds).toBeGreaterThan(0.25);
    expect(rows[0]?.instanceSeconds).toBeGreaterThan(0.3);
  });

  it('shows a table for people', async () => {
    const { stdout } = await millrace(['usage', '--data-dir', dataDir]);
    const [heading = '', row = ''] = stdout.split('\n');
    expect(heading.split(/ +/)).toEqual([
      'NAMESPACE',
      'SERVICE',
      'REVISION',
      'REQUESTS',
      'INSTANCE-S',
      'CPU-S',
      'GIB-S',
    ]);
    expect(row.split(/ +/).slice(0, 4)).toEqual(['default', 'busy', '*', '10']);
  });

  it('has the same as metrics', async () => {
    const { body } = await request(`${runFileOf(dataDir).endpoints.dashboard}/metrics`);
    const text = await body.text();
    expect(parseExposition(text).get('revision_request_count')?.samples).toMatchObject([{ value: 10 }]);
    expect(text).toMatch(
      /^millrace_usage_requests_total\{namespace="default",service="busy",revision="busy-00001"\} 10$/m,
    );
  });

  it('goes on counting after a restart', async () => {
    expect(await platform.stop('SIGTERM')).toBe(0);
    await start(dataDir);
    await ask(1);
    expect(await used()).toMatchObject([{ requests: 11 }]);
  });

  it('refuses what is neither a span nor a time', async () => {
    const { code, stderr } = await millrace(['usage', '--since', 'soon', '--data-dir', dataDir]);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error\[MR0084\]: --since soon/),
    });
  });
});
