import { faultInValue } from '../../events/attributes.ts';
import type { CloudEvent } from '../../events/event.ts';
import type { Delivery } from './delivery.ts';
import type { GitHubSourcePlan } from './plan.ts';

type Read = (path: string) => string | undefined;
/** Where the subject of an event is, and which extensions it has beside owner, repository and sender. */
type Shape = {
  readonly subject: (read: Read) => string | undefined;
  readonly extensions: Readonly<Record<string, string>>;
  readonly common?: readonly string[];
  readonly owner?: string;
};

const at =
  (path: string): Shape['subject'] =>
  (read) =>
    read(path);
/** What follows the last slash. */
const last =
  (path: string): Shape['subject'] =>
  (read) =>
    read(path)?.split('/').at(-1);

const ACTION = { action: 'action' };
const LABELLED = { ...ACTION, label: 'label.name', assignee: 'assignee.login' };
const INSTALLED = { installation: 'installation.id' };
const ORGANIZATION = { common: ['sender'], owner: 'organization.login' };
const OF_INSTALLATION: Shape = {
  subject: at('installation.id'),
  extensions: { ...INSTALLED, ...ACTION },
  common: ['sender'],
};

/** knative-extensions/eventing-github pkg/common/events.go, event by event. */
const SHAPES: Readonly<Record<string, Shape>> = {
  check_run: { subject: at('check_run.id'), extensions: ACTION },
  check_suite: { subject: at('check_suite.id'), extensions: ACTION },
  commit_comment: { subject: last('comment.html_url'), extensions: ACTION },
  issue_comment: { subject: last('comment.html_url'), extensions: ACTION },
  create: { subject: at('ref_type'), extensions: { ref: 'ref' } },
  delete: { subject: at('ref_type'), extensions: { ref: 'ref' } },
  deployment: { subject: at('deployment.id'), extensions: {} },
  deployment_status: { subject: at('deployment.id'), extensions: {} },
  fork: { subject: at('forkee.id'), extensions: {} },
  gollum: { subject: (read) => read('pages'), extensions: {} },
  installation: OF_INSTALLATION,
  installation_repositories: OF_INSTALLATION,
  integration_installation: OF_INSTALLATION,
  integration_installation_repositories: OF_INSTALLATION,
  issues: { subject: at('issue.number'), extensions: LABELLED },
  label: { subject: at('label.name'), extensions: { ...ACTION, label: 'label.name' } },
  member: { subject: at('member.id'), extensions: ACTION },
  membership: { subject: at('member.id'), extensions: { scope: 'scope', ...ACTION }, ...ORGANIZATION },
  milestone: { subject: at('milestone.number'), extensions: ACTION },
  organization: { subject: at('action'), extensions: ACTION, ...ORGANIZATION },
  org_block: { subject: at('action'), extensions: ACTION, ...ORGANIZATION },
  page_build: { subject: at('id'), extensions: {} },
  ping: { subject: at('hook_id'), extensions: {} },
  project: { subject: at('action'), extensions: ACTION },
  project_card: { subject: at('action'), extensions: ACTION },
  project_column: { subject: at('action'), extensions: ACTION },
  public: { subject: at('repository.id'), extensions: {} },
  pull_request: {
    subject: at('pull_request.number'),
    extensions: { ...LABELLED, ...INSTALLED, number: 'number' },
  },
  pull_request_review: {
    subject: at('review.id'),
    extensions: { ...ACTION, ...INSTALLED, review: 'review.state' },
  },
  pull_request_review_comment: { subject: at('comment.id'), extensions: { ...ACTION, ...INSTALLED } },
  push: {
    subject: last('compare'),
    extensions: {
      ...INSTALLED,
      pusher: 'pusher.name',
      ref: 'ref',
      created: 'created',
      deleted: 'deleted',
      forced: 'forced',
    },
  },
  release: {
    subject: at('release.tag_name'),
    extensions: { ...ACTION, ...INSTALLED, release: 'release.name' },
  },
  repository: { subject: at('repository.id'), extensions: ACTION },
  repository_vulnerability_alert: { subject: at('alert.id'), extensions: ACTION, common: [] },
  security_advisory: { subject: at('security_advisory.ghsa_id'), extensions: ACTION, common: [] },
  status: { subject: at('sha'), extensions: { state: 'state', name: 'name', context: 'context' } },
  team: { subject: at('team.id'), extensions: ACTION, common: ['sender'] },
  team_add: { subject: at('repository.id'), extensions: {} },
  watch: { subject: at('repository.id'), extensions: ACTION },
};

const COMMON: Readonly<Record<string, string>> = {
  owner: 'repository.owner.login',
  repository: 'repository.name',
  sender: 'sender.login',
};

/**
 * What GitHub has added since: the number or id of the object that the event is named after, else its action. Some
 * payloads have that object under the last word of the name, such as `alert` of `dependabot_alert`.
 */
function shapeOf(event: string): Shape {
  const known = Object.hasOwn(SHAPES, event) ? SHAPES[event] : undefined;
  if (known !== undefined) return known;
  const paths = [event, event.split('_').at(-1) ?? event].flatMap((name) => [`${name}.number`, `${name}.id`]);
  return {
    subject: (read) => [...paths, 'action'].map(read).find((value) => value !== undefined),
    extensions: ACTION,
  };
}

/** No attribute is longer; the names of wiki pages could be. */
const VALUE_MAX = 4096;

/** The CloudEvent of a delivery; what a payload does not have is left out. */
export function eventOf(
  plan: Pick<GitHubSourcePlan, 'ownerAndRepository' | 'extensions'>,
  { id, event, payload, body }: Delivery,
): CloudEvent {
  const { subject, extensions, common = Object.keys(COMMON), owner } = shapeOf(event);
  const read: Read = (path) => textAt(payload, path);
  const attributes = new Map([
    ['specversion', '1.0'],
    ['id', id],
    ['source', `https://github.com/${plan.ownerAndRepository}`],
    ['type', `dev.knative.source.github.${event}`],
  ]);
  const put = (name: string, value: string | undefined): void => {
    if (value === undefined || value === '' || value.length > VALUE_MAX) return;
    if (faultInValue(name, value) === undefined) attributes.set(name, value);
  };
  put('subject', subject(read));
  for (const name of common) put(name, read(COMMON[name] ?? ''));
  if (owner !== undefined) put('owner', read(owner));
  for (const [name, path] of Object.entries(extensions)) put(name, read(path));
  if (event === 'pull_request' && isMerged(read)) put('merged', 'true');
  for (const [name, value] of plan.extensions) put(name, value);
  return { attributes, contentType: 'application/json', body };
}

/** GitHub has no action of its own for it: a pull request is closed, with or without a merge. */
const isMerged = (read: Read): boolean =>
  read('action') === 'closed' && read('pull_request.merged') === 'true';

/**
 * A text, a number other than 0, or a boolean at a path of own members; the names of wiki pages joined by commas. A
 * whole number beyond what JavaScript can hold is left out: it would not be the payload's.
 */
function textAt(payload: unknown, path: string): string | undefined {
  const value = path
    .split('.')
    .reduce(
      (object: unknown, name) =>
        typeof object === 'object' && object !== null && Object.hasOwn(object, name)
          ? Reflect.get(object, name)
          : undefined,
      payload,
    );
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return value === 0 || isRounded(value) ? undefined : String(value);
  if (typeof value === 'boolean') return String(value);
  return Array.isArray(value) && path === 'pages' ? namesOf(value) : undefined;
}

const isRounded = (value: number): boolean => Math.abs(value) > Number.MAX_SAFE_INTEGER;

function namesOf(pages: readonly unknown[]): string {
  return pages
    .map((page) => textAt(page, 'page_name'))
    .filter((name) => name !== undefined)
    .join(',');
}
