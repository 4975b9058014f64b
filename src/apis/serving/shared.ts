import Type from 'typebox';
import { variableSchema } from '../core/pod-spec.ts';
import type { PrinterColumn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { int32, int64, openObject, stringMap, text } from '../schema.ts';

export const GROUP = 'serving.knative.dev';
export const WEBHOOK = 'validation.webhook.serving.knative.dev';
export const CRD = {
  labels: {
    'knative.dev/crd-install': 'true',
    'duck.knative.dev/addressable': 'true',
    'duck.knative.dev/podspecable': 'true',
  },
  annotations: {},
};

/** Labels and annotations on what one object makes for another (serving pkg/apis/serving/register.go). */
export const LABELS = {
  service: 'serving.knative.dev/service',
  serviceUid: 'serving.knative.dev/serviceUID',
  configuration: 'serving.knative.dev/configuration',
  configurationUid: 'serving.knative.dev/configurationUID',
  configurationGeneration: 'serving.knative.dev/configurationGeneration',
  route: 'serving.knative.dev/route',
  revision: 'serving.knative.dev/revision',
  revisionUid: 'serving.knative.dev/revisionUID',
  routingState: 'serving.knative.dev/routingState',
  routeNamespace: 'serving.knative.dev/routeNamespace',
  visibility: 'networking.knative.dev/visibility',
} as const;
export const ANNOTATIONS = {
  creator: 'serving.knative.dev/creator',
  lastModifier: 'serving.knative.dev/lastModifier',
  /** The Routes that lead to an object, divided by commas. */
  routes: 'serving.knative.dev/routes',
  routingStateModified: 'serving.knative.dev/routingStateModified',
  noGc: 'serving.knative.dev/no-gc',
  lastApplied: 'kubectl.kubernetes.io/last-applied-configuration',
} as const;
/** The first that is there counts (serving pkg/apis/serving/register.go). */
export const ROLLOUT_DURATION = [
  'serving.knative.dev/rollout-duration',
  'serving.knative.dev/rolloutDuration',
] as const;

/** Not made for another object, which hands on whose it is: who has written it is stamped on it. */
export function isBare({ metadata }: Resource): boolean {
  return (metadata.ownerReferences ?? []).length === 0;
}

export const READY_COLUMNS: readonly PrinterColumn[] = [
  { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
  { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
];

const port = Type.Object(
  {
    name: Type.Optional(text('http1 or h2c.')),
    containerPort: Type.Optional(
      int32('The port that the program is told in PORT; standalone platforms choose it themselves.'),
    ),
    protocol: Type.Optional(text('TCP.')),
  },
  { description: 'The port that takes requests.', 'x-kubernetes-preserve-unknown-fields': true },
);

export const container = Type.Object(
  {
    name: Type.Optional(text('Name of the container.')),
    image: Type.Optional(text('What runs: an image that was pushed.')),
    imagePullPolicy: Type.Optional(
      text('Not used: an image that was not pushed is pulled when its Revision is made.'),
    ),
    command: Type.Optional(Type.Array(Type.String(), { description: 'Replaces what the image starts.' })),
    args: Type.Optional(Type.Array(Type.String(), { description: 'Arguments of the command.' })),
    workingDir: Type.Optional(text('Where the program starts.')),
    env: Type.Optional(Type.Array(variableSchema, { description: 'Environment.' })),
    envFrom: Type.Optional(
      Type.Array(openObject('All keys of a ConfigMap or Secret.'), {
        description: 'Environment from objects.',
      }),
    ),
    ports: Type.Optional(Type.Array(port, { description: 'At most one.' })),
    resources: Type.Optional(openObject('Requests and limits.')),
    readinessProbe: Type.Optional(openObject('When it is ready.')),
    livenessProbe: Type.Optional(openObject('When it is to be restarted.')),
    startupProbe: Type.Optional(openObject('When it has started.')),
    securityContext: Type.Optional(openObject('Who it runs as.')),
    volumeMounts: Type.Optional(Type.Array(openObject('A mount.'), { description: 'Mounts.' })),
    terminationMessagePath: Type.Optional(text('Not used.')),
    terminationMessagePolicy: Type.Optional(text('Not used.')),
  },
  { description: 'A container.', 'x-kubernetes-preserve-unknown-fields': true },
);

export const revisionSpec = {
  containers: Type.Optional(
    Type.Array(container, { description: 'What runs together; the one with ports answers requests.' }),
  ),
  initContainers: Type.Optional(
    Type.Array(container, { description: 'What runs before, one after the other; a flag allows them.' }),
  ),
  containerConcurrency: Type.Optional(int64('Requests that one instance has at a time; 0: no bound.')),
  timeoutSeconds: Type.Optional(int64('How long a request may take in all.')),
  responseStartTimeoutSeconds: Type.Optional(int64('How long until its first byte.')),
  idleTimeoutSeconds: Type.Optional(int64('How long without a byte.')),
  serviceAccountName: Type.Optional(text('The account of the instances.')),
  enableServiceLinks: Type.Optional(Type.Boolean({ description: 'Not used.' })),
  imagePullSecrets: Type.Optional(
    Type.Array(openObject('A secret.'), { description: 'Credentials for what a container engine pulls.' }),
  ),
  volumes: Type.Optional(Type.Array(openObject('A volume.'), { description: 'Volumes.' })),
};

export const template = Type.Object(
  {
    metadata: Type.Optional(
      Type.Object(
        {
          name: Type.Optional(text('Name of the revision.')),
          labels: Type.Optional(stringMap('Labels of the revision.')),
          annotations: Type.Optional(stringMap('Annotations of the revision.')),
          creationTimestamp: Type.Optional(Type.Unsafe<unknown>({ description: 'Not used.' })),
        },
        { description: 'Metadata of the revision.' },
      ),
    ),
    spec: Type.Optional(
      Type.Object(revisionSpec, {
        description: 'Spec of the revision.',
        'x-kubernetes-preserve-unknown-fields': true,
      }),
    ),
  },
  { description: 'What each revision is made from.' },
);

export const trafficTarget = Type.Object(
  {
    revisionName: Type.Optional(text('A revision by name.')),
    configurationName: Type.Optional(text('The latest ready revision of a configuration.')),
    latestRevision: Type.Optional(Type.Boolean({ description: 'The latest ready revision.' })),
    percent: Type.Optional(int64('Share of the requests.')),
    tag: Type.Optional(text('A name of its own.')),
    url: Type.Optional(text('Where the tag answers.')),
  },
  { description: 'A share of the traffic.' },
);
