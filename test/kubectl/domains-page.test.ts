import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { BIN } from '../kit/millrace.ts';
import { codeBelow, runBlock } from '../kit/page.ts';
import { openPlatform } from '../kit/platform.ts';

const PAGE = 'docs/serving/domains-and-tls.md';
const root = temporaryFolder('domains-page');

let platform: RunningPlatform;
beforeAll(async () => {
  symlinkSync(BIN, join(root, 'millrace'));
  platform = await openPlatform(join(root, 'data'), { gatewayTls: { host: '127.0.0.1', port: 0 } });
});
afterAll(() => platform.close(0));

/** What a block of the page prints, run by a shell as it stands; `url` is what a block before has left. */
function run(block: string | undefined, url = ''): Promise<string> {
  const env = {
    url,
    PATH: `${root}:${process.env['PATH'] ?? ''}`,
    HOME: root,
    KUBECONFIG: platform.kubeconfig,
    MILLRACE_DATA_DIR: join(root, 'data'),
  };
  return runBlock(block, root, env);
}

/** In the order of the page: each block stands on those before it. */
describe('the page on domains', { timeout: 90_000 }, () => {
  const [service, mapping, asked] = codeBelow(PAGE, "A domain of one's own", 'sh');
  const [made, secured, redirected] = codeBelow(PAGE, 'Its certificate', 'sh');
  const [more] = codeBelow(PAGE, 'Every name below, and paths', 'sh');

  it('maps a domain, which answers at its own name', async () => {
    await run(service);
    const port = new URL(platform.endpoints.gateway).port;
    const row = `shop.example.com +http://shop.example.com:${port} +True`;
    expect(await run(mapping)).toMatch(new RegExp(`NAME +URL +READY +REASON\n${row} *\n$`));
    expect(await run(asked)).toBe('shop at shop.example.com:' + port + '\n');
  });

  it('shows a certificate of an authority that curl is told of, and sends plain HTTP on', async () => {
    await run(made);
    const { port } = new URL(platform.endpoints.gatewayTls ?? '');
    expect(await run(secured)).toMatch(new RegExp(`\nshop at shop.example.com:${port}\n$`));
    await run(redirected);
    const moved = await run(
      `curl -s -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: shop.example.com' ${platform.endpoints.gateway}/a?b=c`,
    );
    expect(moved).toBe(`301 https://shop.example.com:${port}/a?b=c`);
  });

  it('leads every name below there, and paths elsewhere', async () => {
    const url = (await run(`kubectl get dm shop.example.com -o jsonpath='{.status.url}'`)).trim();
    const out = await run(more, url);
    expect(out).toMatch(
      new RegExp(`\napi /api/orders\nshop at red.shop.example.com:${new URL(url).port}\n$`),
    );
  });
});
