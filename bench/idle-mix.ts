import type { Resource } from '../src/apis/resource.ts';

/** Where what the sources watch is: nothing happens there. */
export type Origins = {
  readonly gitHub: string; // the address of its API
  readonly token: string;
  readonly kafka: string;
  readonly rabbitmq: string;
  readonly pubsub: string;
};

/** How many of each kind; all together a thousand. Half of GitHub's have a token, so that their webhook is made and looked after. */
export const MIX = {
  GitHubSource: 200,
  WebhookSource: 250,
  PingSource: 250,
  ApiServerSource: 75,
  KubernetesEventSource: 75,
  CloudPubSubSource: 50,
  KafkaSource: 50,
  RabbitmqSource: 50,
} as const;
export type MixedKind = keyof typeof MIX;

export const NAMESPACE = 'idle';
/** Where nothing is told of. */
const QUIET = 'quiet';
/** What the platform is told beside the sources. */
const SYSTEM = 'knative-eventing';
const TOKENED = MIX.GitHubSource / 2;

export const repositoryOf = (i: number): string => `octo-org/repository-${i}`;
export const topicOf = (i: number): string => `idle-${i}`;
export const kindsOf = (): readonly MixedKind[] => Object.keys(MIX) as MixedKind[];

const API_VERSIONS: Readonly<Record<MixedKind, string>> = {
  GitHubSource: 'sources.knative.dev/v1alpha1',
  WebhookSource: 'sources.millrace.dev/v1alpha1',
  PingSource: 'sources.knative.dev/v1',
  ApiServerSource: 'sources.knative.dev/v1',
  KubernetesEventSource: 'sources.eventing.knative.dev/v1alpha1',
  CloudPubSubSource: 'events.cloud.google.com/v1',
  KafkaSource: 'sources.knative.dev/v1',
  RabbitmqSource: 'sources.knative.dev/v1alpha1',
};

/** An object with what is in it. */
type Filled = Resource & { readonly [member: string]: unknown };

/** Where the objects of a kind are in the API. */
export function pathOf(
  { apiVersion, kind }: Pick<Resource, 'apiVersion' | 'kind'>,
  namespace?: string,
): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const within = namespace === undefined ? '' : `/namespaces/${namespace}`;
  return `${root}${within}/${kind.toLowerCase()}s`;
}

export const sourcesPath = (kind: MixedKind): string =>
  pathOf({ apiVersion: API_VERSIONS[kind], kind }, NAMESPACE);

/** What the sources need: namespaces, a channel as their sink, Secrets, and where Pub/Sub is. */
export function groundwork({ token, rabbitmq, pubsub }: Origins): readonly Filled[] {
  const secret = { token, secret: 'bench', uri: rabbitmq };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: QUIET } },
    { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', metadata: within('sink') },
    { apiVersion: 'v1', kind: 'Secret', metadata: within('origins'), stringData: secret },
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { namespace: SYSTEM, name: 'pubsub-channel-config' },
      data: { project: 'bench', 'emulator.host': pubsub },
    },
  ];
}

const within = (name: string): Resource['metadata'] => ({ namespace: NAMESPACE, name });
const SINK = { ref: { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'sink' } };
const keyOf = (key: string): object => ({ secretKeyRef: { name: 'origins', key } });

/** The sources themselves. */
export function mixedSources(origins: Origins): readonly Filled[] {
  return kindsOf().flatMap((kind) =>
    Array.from({ length: MIX[kind] }, (_, i) => ({
      apiVersion: API_VERSIONS[kind],
      kind,
      metadata: within(`${kind.toLowerCase()}-${i}`),
      spec: { sink: SINK, ...SPECS[kind](i, origins) },
    })),
  );
}

type SpecOf = (i: number, origins: Origins) => object;

const SPECS: Readonly<Record<MixedKind, SpecOf>> = {
  GitHubSource: (i, { gitHub }) => ({
    ownerAndRepository: repositoryOf(i),
    eventTypes: ['push', 'pull_request'],
    secretToken: keyOf('secret'),
    ...(i < TOKENED && { accessToken: keyOf('token'), githubAPIURL: gitHub }),
  }),
  WebhookSource: () => ({ preset: 'gitlab', secrets: [keyOf('secret')] }),
  // Once a year, in two days: none comes true meanwhile.
  PingSource: (i) => ({ schedule: yearly(i), data: '{"hello":"world"}', contentType: 'application/json' }),
  ApiServerSource: () => ({ resources: [{ apiVersion: 'v1', kind: 'Pod' }], mode: 'Resource' }),
  KubernetesEventSource: () => ({ namespace: QUIET, sink: { ...SINK.ref, namespace: NAMESPACE } }),
  CloudPubSubSource: (i) => ({ topic: topicOf(i) }),
  KafkaSource: (i, { kafka }) => ({ bootstrapServers: [kafka], topics: [topicOf(i)] }),
  RabbitmqSource: (i) => ({
    rabbitmqClusterReference: { connectionSecret: { name: 'origins' } },
    rabbitmqResourcesConfig: { exchangeName: topicOf(i), queueName: topicOf(i), parallelism: 10 },
  }),
};

function yearly(i: number): string {
  const day = new Date(Date.now() + 2 * 86_400_000);
  return `${i % 60} ${i % 24} ${day.getUTCDate()} ${day.getUTCMonth() + 1} *`;
}
