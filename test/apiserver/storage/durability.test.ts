import { spawn } from 'node:child_process';
import { copyFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { KindRegistry } from '../../../src/apis/registry.ts';
import { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { FakeClock } from '../../kit/fake-clock.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { ADMIN, configMap, firstOf, keyOf, openObjects } from '../../kit/objects.ts';

const KILLS = 10;
const ACKNOWLEDGED_MIN = 60;

/** Runs the writing process until it has had enough writes acknowledged, kills it, and tells them. */
async function killedWriter(folder: string, run: number): Promise<string[]> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'objects-child.ts'), folder, String(run)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let told = '';
  let lines = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text;
    lines += text.split('\n').length - 1;
    if (lines >= ACKNOWLEDGED_MIN + run * 7) child.kill('SIGKILL');
  });
  const [, signal] = await new Promise<[unknown, unknown]>((resolve) => {
    child.once('close', (code, by) => resolve([code, by]));
  });
  expect(signal).toBe('SIGKILL');
  return told.split('\n').slice(0, -1); // a line without its end was never told
}

describe('a store whose process is killed (S1)', () => {
  it(`has every acknowledged write after each of ${KILLS} kills`, { timeout: 60_000 }, async () => {
    const folder = temporaryFolder('killed');
    const states = new Map<string, string>(); // the newest acknowledged state of each object
    let newest = 0;
    for (let run = 0; run < KILLS; run += 1) {
      for (const line of await killedWriter(folder, run)) {
        const [act = '', name = '', version = ''] = line.split(' ');
        states.set(name, act);
        newest = Math.max(newest, Number(version));
      }
      const store = await openObjects(folder);
      expect(Number(store.resourceVersion)).toBeGreaterThanOrEqual(newest);
      for (const [name, act] of states) {
        const found = store.find(keyOf(configMap(name)));
        if (act === 'removed') expect(found).toBeUndefined();
        else if (found === undefined) expect(removedIn(folder, name)).toBe(true); // committed, and not yet told
        else if (act === 'updated') expect(found).toMatchObject({ data: { n: '1' } });
        if (found === undefined) states.set(name, 'removed');
      }
      await store.close();
    }
    expect(states.size).toBeGreaterThan(KILLS * 20);
  });
});

function removedIn(folder: string, name: string): boolean {
  const db = new DatabaseSync(join(folder, 'objects.db'), { readOnly: true });
  const row = db.prepare(`SELECT 1 FROM history WHERE name = ? AND type = 'DELETED'`).get(name);
  db.close();
  return row !== undefined;
}

describe('a store that is opened again', () => {
  it('is what it was, to the letter, and counts on', async () => {
    const folder = temporaryFolder('again');
    const before = await openObjects(folder);
    await before.create(configMap('a', { text: 'ü€\u0000"' }), ADMIN);
    const listed = before.list({ group: '', kind: 'ConfigMap' });
    await before.close();
    const after = await openObjects(folder);
    expect(after.list({ group: '', kind: 'ConfigMap' })).toEqual(listed);
    const next = await after.create(configMap('b'), ADMIN);
    expect(Number(next.metadata.resourceVersion)).toBe(Number(listed.resourceVersion) + 1);
    await after.close();
  });

  it('refuses a file of a newer format and leaves it alone', async () => {
    const folder = temporaryFolder('newer');
    await (await openObjects(folder)).close();
    const db = new DatabaseSync(join(folder, 'objects.db'));
    db.exec('PRAGMA user_version = 99');
    db.close();
    await expect(openObjects(folder)).rejects.toMatchObject({
      code: 'FORMAT_NEWER',
      message: expect.stringContaining('has format 99, which is newer than 1') as string,
    });
  });

  it('refuses a file that is no database', async () => {
    const folder = temporaryFolder('no-database');
    writeFileSync(join(folder, 'objects.db'), 'not a database, however long it is; '.repeat(100));
    await expect(openObjects(folder)).rejects.toMatchObject({ code: 'STORE_FAILED' });
  });
});

describe('the mark beside the store', () => {
  /** A store that had two more changes acknowledged than its file now holds. */
  async function setBack(folder: string): Promise<void> {
    const file = join(folder, 'objects.db');
    await (await openObjects(folder)).close();
    copyFileSync(file, `${file}.old`);
    const store = await openObjects(folder);
    await store.create(configMap('a'), ADMIN);
    await store.create(configMap('b'), ADMIN);
    await store.close();
    copyFileSync(`${file}.old`, file);
  }
  const loss = { code: 'LOG_LOSS', message: expect.stringContaining('misses the last 2 changes') as string };

  it('tells that acknowledged changes are gone, each time, until somebody accepts it', async () => {
    const folder = temporaryFolder('set-back');
    await setBack(folder);
    await expect(openObjects(folder)).rejects.toMatchObject(loss);
    await expect(openObjects(folder)).rejects.toMatchObject(loss);
    await (await openObjects(folder, { acceptLoss: true })).close();
    await (await openObjects(folder)).close();
  });

  it('still tells it when the store has been opened and closed in between without a write', async () => {
    const folder = temporaryFolder('idle');
    const file = join(folder, 'objects.db');
    const first = await openObjects(folder);
    await first.create(configMap('a'), ADMIN);
    await first.close();
    await (await openObjects(folder)).close();
    rmSync(file);
    await expect(openObjects(folder)).rejects.toMatchObject({ code: 'LOG_LOSS' });
  });

  it('is no reason to refuse a store after nothing but a kill or a close', async () => {
    const folder = temporaryFolder('unharmed');
    for (let n = 0; n < 3; n += 1) {
      const store = await openObjects(folder);
      await store.create(configMap(`n${n}`), ADMIN);
      await store.close();
    }
    const store = await openObjects(folder);
    expect(store.list({ group: '', kind: 'ConfigMap' }).items).toHaveLength(3);
    await store.close();
  });
});

describe('closing a store', () => {
  it('commits what it had taken, may be done twice, and refuses what comes after', async () => {
    const folder = temporaryFolder('closing');
    const store = await openObjects(folder);
    const writes = Array.from({ length: 50 }, (_, n) => store.create(configMap(`n${n}`), ADMIN));
    const allWrites = Promise.allSettled(writes);
    await Promise.resolve(); // the writes have reached the log
    await Promise.all([store.close(), store.close()]);
    await store.close();
    const outcomes = await allWrites;
    await expect(store.create(configMap('late'), ADMIN)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
    const after = await openObjects(folder);
    const kept = after.list({ group: '', kind: 'ConfigMap' }).items.length;
    expect(kept).toBe(outcomes.filter(({ status }) => status === 'fulfilled').length);
    await after.close();
  });
});

describe('a backup', () => {
  it('is a store of its own, with the history up to its moment', async () => {
    const folder = temporaryFolder('backup');
    const store = await openObjects(folder);
    const since = store.resourceVersion;
    await store.create(configMap('kept'), ADMIN);
    const file = join(folder, 'copy.db');
    await store.backup(file);
    await store.create(configMap('after'), ADMIN);
    await store.close();
    const copy = await SqliteStore.open({ file, kinds: new KindRegistry(), clock: new FakeClock() });
    const { signal } = new AbortController();
    expect(await firstOf(copy.watch({ group: '', kind: 'ConfigMap', since, signal }), 1)).toEqual([
      'ADDED kept',
    ]);
    expect(copy.find(keyOf(configMap('after')))).toBeUndefined();
    await copy.close();
  });
});
