import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { systemClock, type Clock } from '../../../src/base/clock.ts';
import type { Consumer, GroupOptions, Verdict } from '../../../src/channels/channel.ts';
import type { LogChannel } from '../../../src/channels/log/log-channel.ts';
import { LogStore, type LogOptions } from '../../../src/channels/log/log-store.ts';
import { idOf } from '../../kit/events.ts';
import { FakeClock } from '../../kit/fake-clock.ts';

export const SETTLED: Verdict = { kind: 'settled' };
export const OPTIONS: GroupOptions = { start: 'latest', inFlightMax: 10, isOrdered: false };
export const FAILURE = { dest: 'http://subscriber.test/', code: 410, data: '', reason: 'no such order' };

export type World = { readonly folder: string; readonly store: LogStore; readonly orders: LogChannel };

/** A folder that goes when the test is done, after what was opened in it later is closed. */
export function testFolder(purpose: string): string {
  const folder = mkdtempSync(join(tmpdir(), `millrace-${purpose}-`));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** A log with the channel `orders`, in a folder of its own or in that of a former one; closed when the test ends. */
export async function openWorld(
  options: Partial<LogOptions> = {},
  folder = testFolder('log'),
): Promise<World> {
  const file = join(folder, 'events.db');
  const store = await LogStore.open({ file, clock: systemClock, graceMs: 50, ...options });
  onTestFinished(() => closed({ clock: store.clock, close: () => store.close() }));
  return { folder, store, orders: await store.channel('LogChannel/demo/orders', 'uid-orders') };
}

/** A clock that a test moves by hand has to be moved until the grace time of running consumers is over. */
async function closed({ clock, close }: { clock: Clock; close: () => Promise<void> }): Promise<void> {
  let isClosed = false;
  void close().then(() => (isClosed = true));
  const tick = (): void => (clock instanceof FakeClock ? clock.advance(20) : undefined);
  await expect.poll(() => (tick(), isClosed), { timeout: 10_000 }).toBe(true);
}

/** What a power cut at this moment would leave behind, in a folder of its own. */
export function crashCopy({ folder }: World): string {
  const copy = testFolder('log-crash');
  cpSync(folder, copy, { recursive: true });
  return copy;
}

/** Settles all, and notes which. */
export function settling(into: string[]): Consumer {
  return async ({ event }) => (into.push(idOf(event)), SETTLED);
}

/** Answers no offer until its signal aborts; what it held stays owed. */
export const hanging: Consumer = async (_, signal) => {
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  return { kind: 'retry', dueMs: 0, reason: 'cut', code: 0 };
};
