import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { anEvent, idOf } from '../../kit/events.ts';
import { openAt, PROJECT, server, SETTLED, title } from './pubsub-world.ts';

const run = promisify(execFile);
const hasTool = spawnSync('gcloud', ['--version']).status === 0; // the emulator is a part of it
const OPTIONS = { start: 'latest', inFlightMax: 10, isOrdered: false } as const;

describe.skipIf(server.kind === 'missing' || !hasTool)(title('pubsub with gcloud'), () => {
  const address = server.kind === 'running' ? server.address : '';
  const folder = mkdtempSync(join(tmpdir(), 'millrace-gcloud-'));
  const env = {
    ...process.env,
    CLOUDSDK_CONFIG: folder,
    CLOUDSDK_CORE_PROJECT: PROJECT,
    CLOUDSDK_AUTH_DISABLE_CREDENTIALS: 'true',
    CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB: `http://${address}/`,
  };
  const gcloud = async (...args: string[]): Promise<unknown> => {
    const { stdout } = await run('gcloud', ['pubsub', ...args, '--format=json', '--quiet'], { env });
    return JSON.parse(stdout);
  };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('offers what it publishes, and it finds subscriptions and dead letters as the docs say', async () => {
    const { backend, channel, spec } = await openAt(address);
    const topic = `cre-ch_${spec.namespace}_${spec.name}_${spec.uid}`;
    const types: string[] = [];
    await channel.consume('audit', OPTIONS, async ({ event }) => {
      types.push(event.attributes.get('type') ?? '');
      const failure = { dest: 'http://gone.test/', code: 410, data: '', reason: 'gone' };
      return idOf(event) === 'dead' ? { kind: 'dead', failure } : SETTLED;
    });
    const attributes = 'ce-specversion=1.0,ce-id=e-1,ce-source=/gcloud,ce-type=made.by.gcloud';
    await gcloud('topics', 'publish', topic, '--message=hello', `--attribute=${attributes}`);
    await gcloud('topics', 'publish', topic, '--message=plain');
    await channel.publish(anEvent('dead'));
    await expect
      .poll(() => types, { timeout: 10_000 })
      .toEqual(['made.by.gcloud', 'google.cloud.pubsub.topic.v1.messagePublished', 'order.paid']);
    await expect.poll(() => channel.deadLetters({ limit: 1 }), { timeout: 10_000 }).toHaveLength(1);
    expect(await gcloud('topics', 'list-subscriptions', topic)).toEqual([
      `projects/${PROJECT}/subscriptions/cre-sub_${spec.namespace}_${spec.name}_audit`,
    ]);
    expect(await gcloud('subscriptions', 'pull', `${topic}.dead`, '--limit=1')).toMatchObject([
      {
        message: {
          attributes: { 'ce-id': 'dead', 'millrace-code': '410', 'millrace-reason': 'gone' },
          data: Buffer.from(anEvent().body).toString('base64'),
        },
      },
    ]);
    await channel.remove();
    await backend.close();
  }, 60_000);
});
