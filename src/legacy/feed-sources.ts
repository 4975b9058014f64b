import type { Destination } from '../apis/duck.ts';
import type { Feed } from '../apis/legacy/feeds/feed.ts';
import { childName } from '../apis/names.ts';
import type { Resource } from '../apis/resource.ts';
import { GITHUB_EVENTS } from '../apis/sources/github-source/event-names.ts';
import type { Origin } from './feed-origin.ts';

export const GITHUB_SOURCE = { apiVersion: 'sources.knative.dev/v1alpha1', kind: 'GitHubSource' };
export const PUBSUB_SOURCE = { apiVersion: 'events.cloud.google.com/v1', kind: 'CloudPubSubSource' };
export const KUBERNETES_SOURCE = {
  apiVersion: 'sources.eventing.knative.dev/v1alpha1',
  kind: 'KubernetesEventSource',
};

type Values = Readonly<Record<string, unknown>>;
export type FeedSource =
  /** `secret` is what the source refers to. */
  | { readonly kind: 'source'; readonly source: Resource; readonly secret?: Resource }
  | { readonly kind: 'missing'; readonly reason: string; readonly message: string };

/** The source of today that feeds what this Feed fed. */
export function sourceOfFeed(feed: Feed, origin: Origin, values: Values, sink: Destination): FeedSource {
  switch (origin) {
    case 'github':
      return gitHubSource(feed, values, sink);
    case 'k8sevents':
      return kubernetesSource(feed, values, sink);
    case 'gcppubsub':
      return pubSubSource(feed, values, sink);
  }
}

function gitHubSource(feed: Feed, values: Values, sink: Destination): FeedSource {
  const { resource = '', eventType = '', clusterEventType = '' } = feed.spec?.trigger ?? {};
  const { name, namespace = '' } = feed.metadata;
  const [secretToken, accessToken] = [text(values['secretToken']), text(values['accessToken'])];
  if (secretToken === undefined) {
    const why =
      'the parameters have no secretToken: parametersFrom has to name a Secret whose value is {"accessToken": …, "secretToken": …}';
    return missing('SecretTokenMissing', why);
  }
  const credentials = childName(name, '-credentials');
  const key = (of: string): object => ({ secretKeyRef: { name: credentials, key: of } });
  const data = { secretToken: base64(secretToken), ...(accessToken && { accessToken: base64(accessToken) }) };
  return {
    kind: 'source',
    secret: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: credentials, namespace },
      type: 'Opaque',
      data,
    } as Resource,
    source: made(feed, GITHUB_SOURCE, {
      ownerAndRepository: resource,
      eventTypes: [gitHubEvent(eventType === '' ? clusterEventType : eventType)],
      secretToken: key('secretToken'),
      ...(accessToken !== undefined && { accessToken: key('accessToken') }),
      sink,
    }),
  };
}

/** `pullrequest` and `dev.knative.github.pullrequest` are what GitHub calls `pull_request`. */
export function gitHubEvent(eventType: string): string {
  const name = eventType.replace(/^dev\.knative\.(?:source\.)?github\./, '');
  const bare = (each: string): string => each.replace(/[^a-z0-9]/gi, '').toLowerCase();
  return [...GITHUB_EVENTS].find((event) => bare(event) === bare(name)) ?? name;
}

function kubernetesSource(feed: Feed, values: Values, sink: Destination): FeedSource {
  if (sink.ref === undefined) {
    const why = `events of Kubernetes are fed to a channel or service of this platform, which ${sink.uri} is not; an ApiServerSource takes any URL`;
    return missing('SinkNotSupported', why);
  }
  const namespace = text(values['namespace']) ?? feed.metadata.namespace;
  return { kind: 'source', source: made(feed, KUBERNETES_SOURCE, { namespace, sink: sink.ref }) };
}

/** The topic stands in the resource, `projects/P/topics/T`, or in parameters, as the first samples had it. */
function pubSubSource(feed: Feed, values: Values, sink: Destination): FeedSource {
  const { resource = '' } = feed.spec?.trigger ?? {};
  const [, ofProject, ofTopic] = /^projects\/([^/]+)\/topics\/([^/]+)$/.exec(resource) ?? [];
  const [project, topic] = [ofProject ?? text(values['projectID']), ofTopic ?? text(values['topic'])];
  if (project === undefined || topic === undefined) {
    const why = `resource: expected projects/PROJECT/topics/TOPIC, or the parameters projectID and topic; got ${JSON.stringify(resource)}`;
    return missing('TopicUnknown', why);
  }
  return { kind: 'source', source: made(feed, PUBSUB_SOURCE, { project, topic, sink }) };
}

function made(
  { metadata: { name, namespace = '' } }: Feed,
  kind: typeof GITHUB_SOURCE,
  spec: object,
): Resource {
  return { ...kind, metadata: { name, namespace }, spec } as Resource;
}

const missing = (reason: string, message: string): FeedSource => ({ kind: 'missing', reason, message });
const base64 = (value: string): string => Buffer.from(value).toString('base64');
const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
