import { expect, it } from 'vitest';
import type { Resource } from '../../../src/apis/resource.ts';
import { isFirst, takenBy } from '../../../src/sources/door/address-claim.ts';
import { gitHubSource } from '../../../src/sources/github/source-kind.ts';
import { aGitHubSource } from '../../kit/github.ts';

const source = (kind: string, second: number): Resource => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'shop', namespace: 'demo', creationTimestamp: `2030-01-01T00:00:0${second}Z` },
});

it.each([
  [source('WebhookSource', 1), source('GitHubSource', 2)],
  [source('GitHubSource', 1), source('WebhookSource', 2)],
  [source('GitHubSource', 1), source('WebhookSource', 1)],
])('of two sources the first has the address, and of one second GitHub: %#', (first, second) => {
  expect([isFirst(first, second), isFirst(second, first), isFirst(second, undefined)]).toEqual([
    true,
    false,
    true,
  ]);
});

it('a GitHubSource whose address is taken is not planned, and says by whom', () => {
  const addressTaken = (): string => takenBy(source('WebhookSource', 1));
  const context = { publicUrl: 'https://hooks.example', apiUrl: 'https://api', addressTaken };
  expect(gitHubSource.plan(aGitHubSource(), () => 'secret', context)).toMatchObject({
    kind: 'missing',
    mark: {
      type: 'WebhookConfigured',
      reason: 'AddressTaken',
      message: 'WebhookSource demo/shop answers at this address already; give one of them another name',
    },
  });
  expect(
    gitHubSource.plan(aGitHubSource(), () => 'secret', { ...context, addressTaken: () => undefined }),
  ).toMatchObject({
    kind: 'plan',
  });
});
