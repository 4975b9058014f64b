import { afterAll, expect } from 'vitest';
import type { CloudEvent } from '../../../../src/events/event.ts';
import { gitHubAdapter } from '../../../../src/sources/github/life/adapter.ts';
import { sourceContract } from '../../../contracts/source.ts';
import { GitHubStandIn, TOKEN } from '../../../kit/github-api.ts';

const TARGET = 'octo-org/octo-repo';
const opened: GitHubStandIn[] = [];
const adapter = gitHubAdapter({ lookEveryMs: 30, lookSoonMs: 30 });

afterAll(() => expect(opened.flatMap(({ faults }) => faults)).toEqual([]));

/** GitHub cannot bring any delivery here: the source has to fetch every one. */
sourceContract('GitHubSource', async () => {
  const gitHub = await GitHubStandIn.open(TARGET);
  opened.push(gitHub);
  return {
    async produce(name) {
      const payload = { ref: 'refs/heads/main', head_commit: { message: name } };
      await gitHub.emit(TARGET, 'push', payload, true);
    },
    nameOf: messageOf,
    open: (tools) =>
      adapter.open(
        {
          target: TARGET,
          apiUrl: gitHub.url,
          token: TOKEN,
          secret: 'a secret',
          url: 'http://127.0.0.1:1/webhooks/demo/repository',
          eventTypes: ['push'],
        },
        { ...tools, reader: undefined as never }, // it reads no object
      ),
    goAway: () => gitHub.goAway(),
    comeBack: () => gitHub.comeBack(),
    keepsWhileClosed: true,
    release: () => gitHub.close(),
  };
});

function messageOf({ body }: CloudEvent): string {
  const { head_commit } = JSON.parse(Buffer.from(body).toString()) as { head_commit: { message: string } };
  return head_commit.message;
}
