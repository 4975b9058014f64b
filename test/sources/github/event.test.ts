import { describe, expect, it } from 'vitest';
import { eventOf } from '../../../src/sources/github/event.ts';
import { planGitHubSource } from '../../../src/sources/github/plan.ts';
import { aGitHubSource, examplePayloads } from '../../kit/github.ts';

const CORE = new Set(['specversion', 'id', 'source', 'type']);

/** Subject and extensions of a payload. */
function made(event: string, payload: object, source = aGitHubSource()): Record<string, string> {
  const { attributes } = eventOf(planGitHubSource(source), {
    id: 'd',
    event,
    payload,
    body: Buffer.from('{}'),
  });
  return Object.fromEntries([...attributes].filter(([name]) => !CORE.has(name)));
}

/** The first published payload of an event, or the first with that action. */
function example(event: string, action?: string): object {
  const found = examplePayloads().find(
    ({ name, payload }) => name === event && (action === undefined || payload['action'] === action),
  );
  if (found === undefined) throw new Error(`no example of ${event} ${action}`);
  return found.payload;
}

const CODERTOCAT = { owner: 'Codertocat', repository: 'Hello-World', sender: 'Codertocat' };
const OF_REPOSITORY = {
  repository: { id: 7, name: 'r', owner: { login: 'o' } },
  sender: { login: 's' },
  organization: { login: 'org' },
};
const ORS = { owner: 'o', repository: 'r', sender: 's' };
const ACTED = { ...OF_REPOSITORY, action: 'did' };
const RELEASE = { tag_name: 'v1', name: 'First' };

describe('subject and extensions, by the table of eventing-github (pkg/common/events.go)', () => {
  it('of a published push', () => {
    expect(made('push', example('push'))).toEqual({
      ...CODERTOCAT,
      subject: 'simple-tag', // its compare ends in /compare/simple-tag
      pusher: 'Codertocat',
      ref: 'refs/tags/simple-tag',
      created: 'true',
      deleted: 'false',
      forced: 'false',
    });
  });

  it('of a push that compares two commits, with the installation it came through', () => {
    const compare = 'https://github.com/o/r/compare/a10867b14bb7...000000000000';
    const push = { ...ACTED, compare, installation: { id: 5 }, ref: 'refs/heads/x', deleted: true };
    expect(made('push', push)).toEqual({
      ...ORS,
      subject: 'a10867b14bb7...000000000000',
      installation: '5',
      ref: 'refs/heads/x',
      deleted: 'true',
    });
  });

  it('of a published pull_request and issue_comment', () => {
    expect(made('pull_request', example('pull_request', 'assigned'))).toMatchObject({
      ...CODERTOCAT,
      subject: '2',
      number: '2',
      action: 'assigned',
      assignee: 'Codertocat',
    });
    expect(made('issue_comment', example('issue_comment', 'created'))).toMatchObject({
      subject: '1#issuecomment-492700400',
      action: 'created',
    });
  });

  it.each<[string, object, Record<string, string>]>([
    ['check_run', { ...ACTED, check_run: { id: 3 } }, { ...ORS, action: 'did', subject: '3' }],
    ['check_suite', { ...ACTED, check_suite: { id: 3 } }, { ...ORS, action: 'did', subject: '3' }],
    [
      'commit_comment',
      { ...ACTED, comment: { html_url: 'a/b#c-1' } },
      { ...ORS, action: 'did', subject: 'b#c-1' },
    ],
    ['create', { ...OF_REPOSITORY, ref: 'x', ref_type: 'tag' }, { ...ORS, subject: 'tag', ref: 'x' }],
    ['delete', { ...OF_REPOSITORY, ref: 'x', ref_type: 'branch' }, { ...ORS, subject: 'branch', ref: 'x' }],
    ['deployment', { ...ACTED, deployment: { id: 3 } }, { ...ORS, subject: '3' }],
    ['deployment_status', { ...ACTED, deployment: { id: 3 } }, { ...ORS, subject: '3' }],
    ['fork', { ...OF_REPOSITORY, forkee: { id: 3 } }, { ...ORS, subject: '3' }],
    [
      'gollum',
      { ...OF_REPOSITORY, pages: [{ page_name: 'A' }, {}, { page_name: 'B' }] },
      { ...ORS, subject: 'A,B' },
    ],
    [
      'installation',
      { ...ACTED, installation: { id: 3 } },
      { sender: 's', installation: '3', action: 'did', subject: '3' },
    ],
    [
      'installation_repositories',
      { ...ACTED, installation: { id: 3 } },
      { sender: 's', installation: '3', action: 'did', subject: '3' },
    ],
    [
      'integration_installation',
      { ...ACTED, installation: { id: 3 } },
      { sender: 's', installation: '3', action: 'did', subject: '3' },
    ],
    [
      'integration_installation_repositories',
      { ...ACTED, installation: { id: 3 } },
      { sender: 's', installation: '3', action: 'did', subject: '3' },
    ],
    [
      'issues',
      { ...ACTED, issue: { number: 4 }, label: { name: 'bug' }, assignee: { login: 'a' } },
      { ...ORS, subject: '4', action: 'did', label: 'bug', assignee: 'a' },
    ],
    ['label', { ...ACTED, label: { name: 'bug' } }, { ...ORS, subject: 'bug', action: 'did', label: 'bug' }],
    ['member', { ...ACTED, member: { id: 3 } }, { ...ORS, subject: '3', action: 'did' }],
    [
      'membership',
      { ...ACTED, member: { id: 3 }, scope: 'team' },
      { owner: 'org', sender: 's', subject: '3', scope: 'team', action: 'did' },
    ],
    ['milestone', { ...ACTED, milestone: { number: 4 } }, { ...ORS, subject: '4', action: 'did' }],
    ['organization', ACTED, { owner: 'org', sender: 's', subject: 'did', action: 'did' }],
    ['org_block', ACTED, { owner: 'org', sender: 's', subject: 'did', action: 'did' }],
    ['page_build', { ...OF_REPOSITORY, id: 3 }, { ...ORS, subject: '3' }],
    ['ping', { ...OF_REPOSITORY, hook_id: 3 }, { ...ORS, subject: '3' }],
    ['project', ACTED, { ...ORS, subject: 'did', action: 'did' }],
    ['project_card', ACTED, { ...ORS, subject: 'did', action: 'did' }],
    ['project_column', ACTED, { ...ORS, subject: 'did', action: 'did' }],
    ['public', OF_REPOSITORY, { ...ORS, subject: '7' }],
    [
      'pull_request',
      { ...ACTED, number: 4, pull_request: { number: 4 }, installation: { id: 3 }, label: { name: 'l' } },
      { ...ORS, subject: '4', action: 'did', number: '4', installation: '3', label: 'l' },
    ],
    [
      'pull_request_review',
      { ...ACTED, review: { id: 3, state: 'approved' }, installation: { id: 5 } },
      { ...ORS, subject: '3', action: 'did', installation: '5', review: 'approved' },
    ],
    [
      'pull_request_review_comment',
      { ...ACTED, comment: { id: 3 }, installation: { id: 5 } },
      { ...ORS, subject: '3', action: 'did', installation: '5' },
    ],
    [
      'release',
      { ...ACTED, release: RELEASE, installation: { id: 5 } },
      { ...ORS, subject: 'v1', action: 'did', installation: '5', release: 'First' },
    ],
    ['repository', ACTED, { ...ORS, subject: '7', action: 'did' }],
    ['repository_vulnerability_alert', { ...ACTED, alert: { id: 3 } }, { subject: '3', action: 'did' }],
    [
      'security_advisory',
      { ...ACTED, security_advisory: { ghsa_id: 'GHSA-1' } },
      { subject: 'GHSA-1', action: 'did' },
    ],
    [
      'status',
      { ...ACTED, sha: 'abc', state: 'failure', name: 'n', context: 'ci' },
      { ...ORS, subject: 'abc', state: 'failure', name: 'n', context: 'ci' },
    ],
    ['team', { ...ACTED, team: { id: 3 } }, { sender: 's', subject: '3', action: 'did' }],
    ['team_add', OF_REPOSITORY, { ...ORS, subject: '7' }],
    ['watch', ACTED, { ...ORS, subject: '7', action: 'did' }],
  ])('of %s', (event, payload, expected) => {
    expect(made(event, payload)).toEqual(expected);
  });

  it.each<[string, object, string | undefined]>([
    ['workflow_run', { ...ACTED, workflow_run: { id: 9 } }, '9'],
    ['discussion', { ...ACTED, discussion: { id: 9, number: 2 } }, '2'],
    ['dependabot_alert', { ...ACTED, alert: { number: 5 } }, '5'],
    ['star', { ...ACTED }, 'did'],
    ['workflow_dispatch', { ...OF_REPOSITORY }, undefined],
    ['constructor', { ...ACTED }, 'did'],
  ])('of the newer %s: number or id of its object, else the action', (event, payload, subject) => {
    expect(made(event, payload)['subject']).toBe(subject);
    expect(made(event, payload)).toMatchObject(ORS);
  });
});

describe('a pull request', () => {
  const pullRequest = (action: string, merged: unknown): Record<string, string> =>
    made('pull_request', { action, number: 7, pull_request: { number: 7, merged } });

  it('that was closed by a merge carries the extension merged, and no other does', () => {
    expect(pullRequest('closed', true)).toMatchObject({ action: 'closed', merged: 'true' });
    for (const [action, merged] of [
      ['closed', false],
      ['closed', undefined],
      ['labeled', true],
    ] as const)
      expect(pullRequest(action, merged)).not.toHaveProperty('merged');
    expect(made('issues', { action: 'closed', pull_request: { merged: true } })).not.toHaveProperty('merged');
  });
});

describe('what is left out', () => {
  it('is empty, 0, of the wrong type, inherited, too long, or no attribute value', () => {
    const payload = {
      ...ACTED,
      issue: { number: 0 },
      label: { name: '' },
      assignee: { login: { not: 'text' } },
      sender: { login: 'a\u0007' },
      repository: { name: 'x'.repeat(5000), owner: '' },
    };
    expect(made('issues', payload)).toEqual({ action: 'did' });
    expect(made('team', { team: [], sender: null })).toEqual({});
  });
});

describe('ceOverrides', () => {
  it('adds extensions, and replaces those of the payload', () => {
    const source = aGitHubSource({ ceOverrides: { extensions: { stage: 'test', sender: 'nobody' } } });
    expect(made('public', OF_REPOSITORY, source)).toEqual({
      ...ORS,
      subject: '7',
      stage: 'test',
      sender: 'nobody',
    });
  });
});
