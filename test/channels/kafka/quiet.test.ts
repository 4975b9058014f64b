import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { anEvent } from '../../kit/events.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { kafkaServer } from '../../servers/kafka.ts';
import { sharedServer } from '../../servers/shared.ts';
import { KafkaWorld } from './kafka-world.ts';

const folder = temporaryFolder('kafka-quiet');
const server = await sharedServer(kafkaServer);
const why = server.kind === 'missing' ? ` (skipped: ${server.reason})` : '';

describe.skipIf(server.kind === 'missing')(`a platform with a Kafka channel${why}`, () => {
  const world = new KafkaWorld(server.kind === 'running' ? server.address : '');
  afterEach(() => world.release());

  it('prints nothing of the client library, warns of nothing, and ends when it is asked to', async () => {
    const channel = await world.open();
    const said = join(folder, 'said');
    const args = [join(import.meta.dirname, 'kafka-child.ts'), ...world.args, said];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const printed = Promise.all([text(child.stdout), text(child.stderr)]);
    await expect.poll(async () => channel.backlog(), { timeout: 10_000 }).toMatchObject([{ group: 'audit' }]);
    for (const id of ['ok-1', 'retry-1', 'dead-1']) await channel.publish(anEvent(id));
    await expect.poll(() => readFileSync(said, 'utf8'), { timeout: 10_000 }).toMatch(/offered retry-1 2/);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await printed).toEqual(['ready\n', '']);
  }, 30_000);
});
