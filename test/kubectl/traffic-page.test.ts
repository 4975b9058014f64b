import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { Load } from '../kit/load.ts';
import { BIN } from '../kit/millrace.ts';
import { codeBelow, runBlock } from '../kit/page.ts';
import { openPlatform } from '../kit/platform.ts';

const DEADLINE = { timeout: 20_000 };

const PAGE = 'docs/serving/traffic.md';
const root = temporaryFolder('traffic-page');

let platform: RunningPlatform;
beforeAll(async () => {
  symlinkSync(BIN, join(root, 'millrace'));
  platform = await openPlatform(join(root, 'data'));
});
afterAll(() => platform.close(0));

/** What a block of the page prints, run by a shell as it stands. */
function run(block: string | undefined): Promise<string> {
  const env = {
    PATH: `${root}:${process.env['PATH'] ?? ''}`,
    HOME: root,
    KUBECONFIG: platform.kubeconfig,
    MILLRACE_DATA_DIR: join(root, 'data'),
  };
  return runBlock(block, root, env);
}

/** In the order of the page: each block stands on those before it. */
describe('the page on traffic', { timeout: 90_000 }, () => {
  const [push, blue, green] = codeBelow(PAGE, 'Blue and green', 'sh');
  const [there, back] = codeBelow(PAGE, 'The switch, and the way back', 'sh');

  it('deploys blue, and green beside it, which answers by its tag alone (TestBlueGreenRoute)', async () => {
    await run(push);
    expect(await run(blue)).toMatch(/\nblue\n$/);
    expect(await run(green)).toMatch(/\ngreen\n$/);
  });

  it('switches and rolls back by one apply each, under load, and no request fails', async () => {
    const load = new Load(platform.endpoints.gateway, 'shop.default.localhost');
    await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(200);
    expect([...load.take().texts.keys()]).toEqual(['blue\n']);
    expect(await run(there)).toMatch(/\ngreen\n$/);
    load.take();
    const after = load.count;
    await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(after + 200);
    expect([...load.take().texts.keys()]).toEqual(['green\n']);
    expect(await run(back)).toMatch(/\nblue\n$/);
    load.take();
    const last = load.count;
    await expect.poll(() => load.count, DEADLINE).toBeGreaterThan(last + 200);
    const { texts, failures } = await load.stop();
    expect([...texts.keys()]).toEqual(['blue\n']);
    expect(failures).toEqual([]);
  });

  it('asks for a gradual roll-out', async () => {
    expect(await run(codeBelow(PAGE, 'A gradual roll-out', 'sh')[0])).toBe(
      'service.serving.knative.dev/shop annotated\n',
    );
    const asked =
      "kubectl get route shop -o jsonpath='{.metadata.annotations.serving\\.knative\\.dev/rollout-duration}'";
    await expect.poll(() => run(asked), DEADLINE).toBe('60s');
  });
});
