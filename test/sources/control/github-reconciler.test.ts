import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { GitHubSource } from '../../../src/apis/sources/github-source/schema.ts';
import type { SqliteStore } from '../../../src/apiserver/storage/sqlite-store.ts';
import { EmbeddedClient } from '../../../src/control/embedded/embedded-client.ts';
import type { Outcome } from '../../../src/control/reconciler.ts';
import { gitHubSourceReconciler } from '../../../src/sources/control/github-reconciler.ts';
import { aGitHubSource } from '../../kit/github.ts';
import { ADMIN, openObjects } from '../../kit/objects.ts';

const CHANNEL = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'github' };
const AT_CHANNEL = { sink: { ref: { ...CHANNEL, namespace: 'demo' } } };

let folder: string;
let store: SqliteStore;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  store = await openObjects(folder);
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

function reconcile(source: GitHubSource): Promise<Outcome> {
  const webhookUrlOf = (namespace: string, name: string): string =>
    `https://hooks.example/webhooks/${namespace}/${name}`;
  return gitHubSourceReconciler(new EmbeddedClient(store, 'controller'), { webhookUrlOf }).reconcile(source);
}
async function mark(type: string, source: GitHubSource): Promise<object | undefined> {
  return (await reconcile(source)).marks.find((each) => each.type === type);
}
const aSecret = (data: Record<string, string>): Promise<unknown> =>
  store.create(
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'github-webhook', namespace: 'demo' },
      data,
    } as never,
    ADMIN,
  );

describe('the GitHubSource reconciler', () => {
  it('says where to point the webhook, and what the events look like', async () => {
    const { status, next } = await reconcile(aGitHubSource({ eventTypes: ['push', 'issues'] }));
    const source = 'https://github.com/Codertocat/Hello-World';
    expect(status).toEqual({
      sinkUri: 'http://sink.example/',
      webhookURL: 'https://hooks.example/webhooks/demo/repository',
      ceAttributes: [
        { type: 'dev.knative.source.github.push', source },
        { type: 'dev.knative.source.github.issues', source },
      ],
    });
    expect(next).toBe('settled');
  });

  it('is content once Secret and key are there, and says which of them is not', async () => {
    const source = aGitHubSource();
    expect(await mark('SecretsProvided', source)).toMatchObject({
      status: 'False',
      reason: 'SecretTokenNotFound',
      message: 'Secret demo/github-webhook is not there',
    });
    await aSecret({ other: 'eA==' });
    expect(await mark('SecretsProvided', source)).toMatchObject({
      status: 'False',
      message: 'Secret demo/github-webhook has no key secretToken',
    });
    const key = { group: '', kind: 'Secret', namespace: 'demo', name: 'github-webhook' };
    const now = store.find(key);
    await store.update(key, () => ({ ...now, data: { secretToken: 'eA==' } }) as never, ADMIN);
    expect(await mark('SecretsProvided', source)).toMatchObject({ status: 'True' });
  });

  it('waits for a sink that is not there or has no address, and removes the old address', async () => {
    const source = aGitHubSource(AT_CHANNEL);
    const outcome = await reconcile(source);
    expect(outcome.status).toMatchObject({ sinkUri: undefined });
    expect(outcome.marks).toContainEqual({
      type: 'SinkProvided',
      status: 'False',
      reason: 'NotFound',
      message: 'Channel demo/github is not found',
    });
  });

  it('asks for the webhook to be entered by hand, with all that is to be entered', async () => {
    const webhook = await mark('WebhookConfigured', aGitHubSource({ eventTypes: ['push', 'issues'] }));
    expect(webhook).toMatchObject({ status: 'True', reason: 'Manual' });
    for (const text of ['https://hooks.example/webhooks/demo/repository', 'application/json', 'push, issues'])
      expect(webhook).toHaveProperty('message', expect.stringContaining(text));
  });

  it('says plainly that an access token is not used yet, and still that its Secret is missing', async () => {
    const accessToken = { secretKeyRef: { name: 'token', key: 'accessToken' } };
    await aSecret({ secretToken: 'eA==' });
    const source = aGitHubSource({ accessToken });
    expect(await mark('WebhookConfigured', source)).toMatchObject({
      status: 'True',
      reason: 'Manual',
      message: expect.stringContaining('comes with a later version'),
    });
    expect(await mark('SecretsProvided', source)).toMatchObject({
      status: 'False',
      reason: 'AccessTokenNotFound',
    });
  });

  it('comes to the same however often it runs, and writes nothing itself', async () => {
    const before = store.list({ group: '', kind: 'Secret', namespace: undefined }).resourceVersion;
    expect(await reconcile(aGitHubSource())).toEqual(await reconcile(aGitHubSource()));
    expect(store.list({ group: '', kind: 'Secret', namespace: undefined }).resourceVersion).toBe(before);
  });
});
