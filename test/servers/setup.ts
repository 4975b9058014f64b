import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endAll } from './processes.ts';
import { SERVERS_FOLDER } from './shared.ts';

/** Before the first test a folder for the servers of this run; after the last one they end, and it goes. */
export function setup(): () => Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-servers-'));
  process.env[SERVERS_FOLDER] = folder;
  return async () => {
    for (const file of readdirSync(folder).filter((name) => name.endsWith('.json'))) {
      const { pids = [] } = JSON.parse(readFileSync(join(folder, file), 'utf8')) as { pids?: number[] };
      await endAll(pids);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}
