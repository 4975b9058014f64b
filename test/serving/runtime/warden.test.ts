import { existsSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Warden } from '../../../src/serving/runtime/process/warden.ts';
import { temporaryFolder } from '../../kit/folders.ts';

describe('the warden', () => {
  it('ends what is left, and then does what was left to it, once the platform has gone', async () => {
    const done = join(temporaryFolder('warden'), 'done');
    const [left, over] = [1, 2].map(() => spawn('sleep', ['100'], { detached: true }));
    const ended = (child: typeof left): boolean => child?.signalCode !== null;
    const warden = new Warden();
    for (const child of [left, over]) warden.watch(child?.pid ?? 0);
    warden.forget(over?.pid ?? 0);
    warden.atEnd('no-such-command');
    warden.atEnd(`touch ${done}`);
    expect(existsSync(done)).toBe(false);
    warden.close();
    await expect.poll(() => existsSync(done), { timeout: 10_000 }).toBe(true);
    await expect.poll(() => ended(left), { timeout: 10_000 }).toBe(true);
    expect(ended(over)).toBe(false);
    over?.kill();
  });
});
