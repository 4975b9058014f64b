import { describe, expect, it } from 'vitest';
import type { GitHubSource } from '../../../../src/apis/sources/github-source/schema.ts';
import { gitHubSource } from '../../../../src/sources/github/source-kind.ts';
import { aGitHubSource } from '../../../kit/github.ts';

const CONTEXT = { publicUrl: 'http://hooks.example.com', apiUrl: 'https://127.0.0.1:8443' };
const SECRETS: Readonly<Record<string, string>> = {
  'demo/github-webhook/secretToken': 'the secret\n',
  'demo/github/token': 'github_pat_1\n',
  'demo/github/empty': '',
  'demo/github/two-lines': 'one\ntwo',
};
const plan = (spec: Partial<GitHubSource['spec']>) =>
  gitHubSource.plan(aGitHubSource(spec), (...names) => SECRETS[names.join('/')], CONTEXT);
const withToken = (key: string) => ({ accessToken: { secretKeyRef: { name: 'github', key } } });

describe('the plan of a webhook', () => {
  it('has all that GitHub is told, the token without the end of its line, the secret as it is', () => {
    const spec = {
      ...withToken('token'),
      eventTypes: ['push', 'issues', 'push'],
      githubAPIURL: 'https://ghe.example/api/v3/',
    };
    expect(plan(spec)).toEqual({
      kind: 'plan',
      plan: {
        target: 'Codertocat/Hello-World',
        apiUrl: 'https://ghe.example/api/v3/',
        token: 'github_pat_1',
        secret: 'the secret\n',
        url: 'http://hooks.example.com/webhooks/demo/repository',
        eventTypes: ['issues', 'push'],
      },
    });
  });

  it('is at github.com unless the spec says another, and by hand without a token', () => {
    expect(plan({})).toMatchObject({
      plan: { apiUrl: 'https://api.github.com', token: undefined, eventTypes: ['*'] },
    });
  });

  it.each([
    [undefined, 'http://hooks.example.com/webhooks/demo/repository'],
    [true, 'https://hooks.example.com/webhooks/demo/repository'],
    [false, 'http://hooks.example.com/webhooks/demo/repository'],
  ])('with secure %j has the address %s', (secure, url) => {
    const source = aGitHubSource(secure === undefined ? {} : { secure });
    expect(gitHubSource.fields?.(source, CONTEXT)).toEqual({ webhookURL: url });
  });

  it.each([
    [withToken('nowhere'), 'AccessTokenNotFound', 'demo/github that has something under the key nowhere'],
    [withToken('empty'), 'AccessTokenNotFound', 'key empty'],
    [withToken('two-lines'), 'AccessTokenMalformed', 'line breaks'],
    [
      { secretToken: { secretKeyRef: { name: 'gone', key: 'k' } } },
      'SecretTokenNotFound',
      'Secret demo/gone',
    ],
  ])('is missing with %j: %s', (spec, reason, text) => {
    expect(plan(spec)).toEqual({
      kind: 'missing',
      mark: { type: 'SecretsProvided', status: 'False', reason, message: expect.stringContaining(text) },
    });
  });

  it('says what the events look like, as upstream', () => {
    const source = 'https://github.com/Codertocat/Hello-World';
    const of = (...eventTypes: string[]) => gitHubSource.ceAttributes(aGitHubSource({ eventTypes }), CONTEXT);
    expect(of('push', 'issues')).toEqual([
      { type: 'dev.knative.source.github.push', source },
      { type: 'dev.knative.source.github.issues', source },
    ]);
    expect(of('push', '*')).toEqual([{ type: 'dev.knative.source.github.*', source }]);
  });
});
