import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { temporaryFolder } from '../kit/folders.ts';
import { BIN } from '../kit/millrace.ts';

const VENDORS = [
  'kafkajs',
  'amqplib',
  '@google-cloud/pubsub',
  '@kubernetes/client-node',
  'cloudevents',
  'croner',
];

it('a platform without a channel or a source of theirs loads no client of a broker, a cluster or a calendar', async () => {
  const script = join(import.meta.dirname, 'loaded-modules.ts');
  const args = ['--exec', 'node', script, join(temporaryFolder('loaded'), 'data')];
  const { stdout } = await promisify(execFile)(BIN, args, { timeout: 30_000 });
  const loaded = JSON.parse(stdout.split('\n').at(-2) ?? '') as string[];
  expect(loaded).toContain('undici'); // it tells what is loaded at all
  expect(loaded.filter((name) => VENDORS.includes(name))).toEqual([]);
}, 60_000);
