import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { GitHubStandIn } from '../kit/github-api.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';

const root = temporaryFolder('cli-github');
const dataDir = join(root, 'data');
const up = platformStarter();
const source = (apiUrl: string): string => `
apiVersion: v1
kind: Secret
metadata: {name: github}
stringData: {secretToken: a long secret}
---
apiVersion: sources.knative.dev/v1alpha1
kind: GitHubSource
metadata: {name: laptop}
spec:
  ownerAndRepository: octo-org/octo-repo
  eventTypes: [push]
  githubAPIURL: ${apiUrl}
  secretToken: {secretKeyRef: {name: github, key: secretToken}}
  sink: {uri: 'http://127.0.0.1:1/'}
`;
const forward = (args: readonly string[], env: Record<string, string> = {}): ReturnType<typeof millrace> =>
  millrace(['github', 'forward', ...args, '--data-dir', dataDir], { GH_TOKEN: '', GITHUB_TOKEN: '', ...env });

beforeAll(async () => void (await up(dataDir)));

describe('millrace github forward', { timeout: 40_000 }, () => {
  it('says what it lacks, and what to do', async () => {
    const gitHub = await GitHubStandIn.open('octo-org/octo-repo');
    const kubectl = kubectlFor(root, runFileOf(dataDir).kubeconfig);
    expect(await kubectl(['apply'], source(gitHub.url))).toMatchObject({ code: 0 });

    expect(await millrace(['github'])).toMatchObject({ code: 2, stderr: expect.stringContaining('MR0080') });
    expect(await forward([])).toMatchObject({ code: 2, stderr: expect.stringContaining('MR0080') });
    expect(await forward(['--source', 'nobody'])).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('MR0011'),
    });
    const tokenless = await forward(['--source', 'laptop']);
    expect(tokenless).toMatchObject({ code: 3, stderr: expect.stringContaining('gh auth token') });
    const refused = await forward(['--source', 'laptop'], { GITHUB_TOKEN: 'ghp_expired' });
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/MR0083.*does not know the access token/),
    });
    expect(refused.stderr).not.toContain('ghp_expired');
    expect(await millrace(['github', '--help'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('GH_TOKEN'),
    });
    await gitHub.close();
  });
});
