import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from './processes.ts';
import { SERVERS_FOLDER } from './shared.ts';

/**
 * Before the first test a folder for all that the run writes, its servers' included; after the last one the servers end,
 * and it goes, whatever tests have left in it.
 */
export function setup(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tests-'));
  chmodSync(folder, 0o755); // servers may run as a user of their own
  const servers = join(folder, 'servers');
  mkdirSync(servers);
  process.env['TMPDIR'] = folder;
  process.env[SERVERS_FOLDER] = servers;
  return async () => {
    for (const file of readdirSync(servers).filter((name) => name.endsWith('.json'))) {
      const { pids = [] } = JSON.parse(readFileSync(join(servers, file), 'utf8')) as { pids?: number[] };
      await endAll(pids);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}
