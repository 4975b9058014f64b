import { join } from 'node:path';
import { symlinkSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { Engine } from '../../src/serving/runtime/container/engine.ts';
import { engineTurn, TURN_MAX_MS } from '../kit/engine-turn.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { BIN } from '../kit/millrace.ts';
import { codeBelow, runBlock } from '../kit/page.ts';
import { openPlatform } from '../kit/platform.ts';
import { podmanServer, TOOLS_IMAGE } from '../servers/podman.ts';
import { sharedServer } from '../servers/shared.ts';

const PAGE = 'docs/serving/containers.md';
const podman = await sharedServer(podmanServer);
const socket = podman.kind === 'running' ? podman.address : '';
const root = temporaryFolder('engine-page');
const title = `${PAGE}, containers${podman.kind === 'missing' ? ` (not here: ${podman.reason})` : ''}`;

let platform: RunningPlatform;
let giveBack: (() => void) | undefined;

/** Lines of the page as its reader runs them; the gateway has a port that is free here. */
function run(block: string | undefined): Promise<string> {
  const { host } = new URL(platform.endpoints.gateway);
  return runBlock(block?.replaceAll('127.0.0.1:8080', host), root, {
    PATH: `${root}:${process.env['PATH'] ?? ''}`,
    HOME: root,
    KUBECONFIG: platform.kubeconfig,
    MILLRACE_DATA_DIR: join(root, 'data'),
  });
}

/** In the order of the page: each block stands on those before it. */
describe.skipIf(podman.kind === 'missing')(title, { timeout: 180_000 }, () => {
  const [service, exec, job] = codeBelow(PAGE, 'Containers', 'sh');

  beforeAll(async () => {
    giveBack = await engineTurn(socket);
    symlinkSync(BIN, join(root, 'millrace'));
    const engine = new Engine(socket);
    // The same programs by the name that the page has: no registry is to be had here.
    await engine.ask('POST', `/images/${TOOLS_IMAGE}/tag?repo=docker.io/library/busybox&tag=1.36`);
    await engine.close();
    platform = await openPlatform(join(root, 'data'), { engine: `unix://${socket}` });
  }, TURN_MAX_MS);
  afterAll(async () => {
    await platform?.close(0);
    giveBack?.();
  });

  it('runs a Service of an image that nobody has pushed, and its gateway answers', async () => {
    expect(await run(service)).toMatch(/\nhello from a container\n$/);
  });

  it('enters its container', async () => {
    expect(await run(exec)).toBe('hello from a container\n');
  });

  it('runs a Job that finds the Service by its name inside the cluster', async () => {
    expect(await run(job)).toMatch(/\nhello from a container\n$/);
  });

  it('gives the credentials of a registry to the service account', async () => {
    const [credentials] = codeBelow(PAGE, 'Images', 'sh');
    expect(await run(credentials)).toBe('secret/pull created\nserviceaccount/default patched\n');
  });
});
