import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBinary, writeBinary } from '../../../src/events/binary.ts';
import { examplePayloads, GitHubWorld } from '../../kit/github.ts';

/**
 * event: subject; extensions, as `name` or `name=path`. Written from eventing-github pkg/common/events.go, line by
 * line, and for what GitHub has added since from the payloads; nothing of it comes from src.
 */
const ORS = 'owner=repository.owner.login repository=repository.name sender=sender.login';
const ORG = 'owner=organization.login sender=sender.login action';
const INSTALLATION = 'installation=installation.id sender=sender.login action';
const TABLE: Readonly<Record<string, readonly [subject: string, extensions: string]>> = {
  branch_protection_rule: ['rule.id', `${ORS} action`],
  check_run: ['check_run.id', `${ORS} action`],
  check_suite: ['check_suite.id', `${ORS} action`],
  code_scanning_alert: ['alert.number', `${ORS} action`],
  commit_comment: ['last(comment.html_url)', `${ORS} action`],
  create: ['ref_type', `${ORS} ref`],
  delete: ['ref_type', `${ORS} ref`],
  dependabot_alert: ['alert.number', `${ORS} action`],
  deploy_key: ['key.id', `${ORS} action`],
  deployment: ['deployment.id', ORS],
  deployment_review: ['action', `${ORS} action`],
  deployment_status: ['deployment.id', ORS],
  discussion: ['discussion.number', `${ORS} action`],
  discussion_comment: ['comment.id', `${ORS} action`],
  fork: ['forkee.id', ORS],
  github_app_authorization: ['action', `${ORS} action`],
  gollum: ['pages', ORS],
  installation: ['installation.id', INSTALLATION],
  installation_repositories: ['installation.id', INSTALLATION],
  issue_comment: ['last(comment.html_url)', `${ORS} action`],
  issues: ['issue.number', `${ORS} action label=label.name assignee=assignee.login`],
  label: ['label.name', `${ORS} action label=label.name`],
  marketplace_purchase: ['action', `${ORS} action`],
  member: ['member.id', `${ORS} action`],
  membership: ['member.id', `${ORG} scope`],
  merge_group: ['action', `${ORS} action`],
  meta: ['action', `${ORS} action`],
  milestone: ['milestone.number', `${ORS} action`],
  organization: ['action', ORG],
  org_block: ['action', ORG],
  package: ['package.id', `${ORS} action`],
  page_build: ['id', ORS],
  project: ['action', `${ORS} action`],
  project_card: ['action', `${ORS} action`],
  project_column: ['action', `${ORS} action`],
  projects_v2_item: ['projects_v2_item.id', `${ORS} action`],
  public: ['repository.id', ORS],
  pull_request: [
    'pull_request.number',
    `${ORS} action number installation=installation.id label=label.name assignee=assignee.login`,
  ],
  pull_request_review: ['review.id', `${ORS} action installation=installation.id review=review.state`],
  pull_request_review_comment: ['comment.id', `${ORS} action installation=installation.id`],
  pull_request_review_thread: ['action', `${ORS} action`],
  push: [
    'last(compare)',
    `${ORS} installation=installation.id pusher=pusher.name ref created deleted forced`,
  ],
  release: ['release.tag_name', `${ORS} action installation=installation.id release=release.name`],
  repository: ['repository.id', `${ORS} action`],
  repository_dispatch: ['action', `${ORS} action`],
  repository_import: ['', ORS],
  repository_vulnerability_alert: ['alert.id', 'action'],
  security_advisory: ['security_advisory.ghsa_id', 'action'],
  sponsorship: ['action', `${ORS} action`],
  star: ['action', `${ORS} action`],
  status: ['sha', `${ORS} state name context`],
  team: ['team.id', 'sender=sender.login action'],
  team_add: ['repository.id', ORS],
  watch: ['repository.id', `${ORS} action`],
  workflow_dispatch: ['', ORS],
  workflow_job: ['workflow_job.id', `${ORS} action`],
  workflow_run: ['workflow_run.id', `${ORS} action`],
};

function valueOf(payload: unknown, path: string): string {
  let value = payload;
  for (const name of path.split('.')) value = Object.entries(value ?? {}).find(([key]) => key === name)?.[1];
  if (Array.isArray(value)) return value.map((page) => valueOf(page, 'page_name')).join(',');
  return ['string', 'number', 'boolean'].includes(typeof value) && value !== 0 ? `${value as string}` : '';
}

/** The attributes, without what is empty. */
function expected(name: string, id: string, payload: unknown): Record<string, string> {
  const [subject = '', extensions = ''] = TABLE[name] ?? [];
  const ofLast = /^last\((.+)\)$/.exec(subject)?.[1];
  const all = {
    specversion: '1.0',
    id,
    source: 'https://github.com/Codertocat/Hello-World',
    type: `dev.knative.source.github.${name}`,
    subject:
      ofLast === undefined ? valueOf(payload, subject) : valueOf(payload, ofLast).replace(/^.*\//s, ''),
    ...Object.fromEntries(
      extensions.split(' ').map((each) => {
        const [extension = '', path = extension] = each.split('=');
        return [extension, valueOf(payload, path)];
      }),
    ),
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''));
}

const EXAMPLES = examplePayloads().filter(({ name }) => name !== 'ping'); // which is not forwarded
const CASES = [...new Set(EXAMPLES.map(({ name }) => name))].flatMap((name) => [
  [name, 'application/json'] as const,
  [name, 'application/x-www-form-urlencoded'] as const,
]);

let world: GitHubWorld;
beforeAll(async () => void (world = await GitHubWorld.open()));
afterAll(() => world.close());

describe('the published payloads', () => {
  it('are of the events of this table, and of no other', () => {
    expect([...new Set(EXAMPLES.map(({ name }) => name))].toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  it.each(CASES)('of %s, as %s, get their subject and extensions and nothing empty', async (name, type) => {
    for (const [nth, { payload }] of EXAMPLES.filter((each) => each.name === name).entries()) {
      world.events.length = 0;
      const id = `${name}-${nth}`;
      const text = JSON.stringify(payload);
      const isForm = type !== 'application/json';
      const body = isForm ? new URLSearchParams({ payload: text }).toString() : text;
      const headers = { 'content-type': type, 'x-github-event': name, 'x-github-delivery': id };
      expect(await world.send(body, { headers })).toMatchObject({ code: 202 });
      const wire = world.events.map((event) => readBinary(writeBinary(event), event.body));
      const [read] = wire;
      if (read?.kind !== 'event') throw new Error(`no valid event: ${JSON.stringify(read)}`);
      expect(wire).toHaveLength(1);
      expect(Object.fromEntries(read.event.attributes)).toEqual(expected(name, id, payload));
      expect(read.event.contentType).toBe('application/json');
      expect(Buffer.from(read.event.body).toString()).toBe(text);
    }
  });
});
