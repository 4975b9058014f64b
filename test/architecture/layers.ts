/**
 * The layer table: who may import whom under src/. Changing it is a decision record (docs/decisions/).
 * A file obeys the longest key its path starts with. It may always import within its own top folder; anything else
 * must start with one of the listed prefixes.
 */
const FOUNDATION = ['base/', 'telemetry/signals.ts', 'events/', 'apis/', 'http/', 'control/'];

export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'base/': [],
  'telemetry/': ['base/'],
  'events/': ['base/'],
  'http/': ['base/', 'telemetry/signals.ts'],
  'apis/': ['base/'],
  'apiserver/': ['base/', 'telemetry/signals.ts', 'apis/', 'http/'],
  'control/': ['base/', 'telemetry/signals.ts', 'apis/'],
  // What speaks to a broker, for the channel that is kept there and the source that reads there. It knows neither.
  'clients/': ['base/', 'telemetry/signals.ts', 'events/'],
  'control/embedded/': ['base/', 'telemetry/signals.ts', 'apis/', 'apiserver/storage/'],

  // The pipeline, in the order events take. A stage may name the port of the stage before it, never its adapters.
  'sources/': [...FOUNDATION, 'clients/'],
  'channels/': [...FOUNDATION, 'clients/'],
  'subscriptions/': [...FOUNDATION, 'channels/channel.ts'],
  'dispatcher/': [
    ...FOUNDATION,
    'channels/channel.ts',
    'subscriptions/delivery-plan.ts',
    'subscriptions/filters/',
  ],
  'serving/': FOUNDATION,
  'builds/': FOUNDATION,

  // The kinds of 2018 become today's by resources alone: no stage is known here.
  'legacy/': ['base/', 'apis/', 'control/'],

  // The edges. What runs in the platform is handed to them as arguments by platform/.
  'cli/': ['base/', 'apis/', 'control/', 'events/', 'http/'],
  'dashboard/': ['base/', 'apis/', 'control/', 'http/'],
  'platform/': [''],
};

/** The folders that events pass through. What is not in their control/ is data plane. */
export const STAGES: readonly string[] = [
  'sources',
  'channels',
  'subscriptions',
  'dispatcher',
  'serving',
  'builds',
];

/** Control never touches an event; data never writes a resource. */
export const NEVER_IN_CONTROL: readonly string[] = ['EventSink', 'Consumer'];
export const NEVER_IN_DATA: readonly string[] = ['ResourceClient'];

/** Each vendor SDK has one home, so that exchanging it touches one folder. */
export const SDK_HOME: Readonly<Record<string, RegExp>> = {
  cloudevents: /^events\/sdk\.ts$/,
  '@octokit/webhooks': /^sources\/github\//,
  kafkajs: /\/kafka\//,
  amqplib: /\/rabbitmq\//,
  '@google-cloud/pubsub': /\/pubsub\//,
  '@kubernetes/client-node': /^control\/cluster\//,
  croner: /^sources\/ping\//,
  '@peculiar/x509': /^apiserver\/pki\//,
  jose: /^apiserver\/tokens\//,
  ws: /^apiserver\/streaming\//,
  'node:sqlite': /^(channels\/log|apiserver\/storage)\//,
};

/** The function runner is a process of its own; the platform starts it by URL and never loads what it loads. */
export const RUNNER = /^serving\/runtime\/process\/runner\//;
export const RUNNER_ONLY: readonly string[] = ['events/sdk.ts'];
