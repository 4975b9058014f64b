import { Random } from './random.ts';

/** What somebody writes into a ConfigMap of `knative-serving`. */
export type ConfigMapCase = { readonly name: string; readonly data: Readonly<Record<string, string>> };
type Keys = Readonly<Record<string, readonly string[]>>;

const FLOATS = [
  '0',
  '0.001',
  '0.5',
  '1',
  '1.0',
  '1.1',
  '2',
  '70',
  '100',
  '101',
  '1000',
  '-1',
  '-2',
  '-0.5',
  'x',
  '',
  'NaN',
  'Inf',
  '1e2',
];
const INTS = [
  '0',
  '1',
  '3',
  '10',
  '-1',
  '-5',
  '1.5',
  'x',
  '',
  ' 1',
  '2147483647',
  '2147483648',
  '9223372036854775808',
  '+2',
  '-0',
];
const SPANS = [
  '0',
  '0s',
  '1s',
  '6s',
  '5s',
  '60s',
  '30m',
  '1h',
  '2h',
  '1.5s',
  '100ms',
  '1500us',
  '-1s',
  'x',
  '',
  '10',
  '1h30m',
  '.5s',
  '5 s',
];
const BOOLS = ['true', 'false', 'True', 'T', '1', '0', 'yes', '', 'TRUE', 'tRUE'];
const QUANTITIES = ['1', '100m', '1Gi', '-1', 'x', '', '1.5', '1e3', '1 Gi', '.5', '1GiB', 'm'];
const MODES = ['enabled', 'Enabled', 'disabled', 'Disabled', 'redirected', 'Redirected', 'odd', '', 'true'];

const all = (keys: readonly string[], values: readonly string[]): Keys =>
  Object.fromEntries(keys.map((key) => [key, values]));

/** By ConfigMap and key, what may stand there and what may not. */
const CONFIG_MAPS: Readonly<Record<string, Keys>> = {
  'config-autoscaler': {
    ...all(['enable-scale-to-zero', 'allow-zero-initial-scale'], BOOLS),
    ...all(
      [
        'max-scale-up-rate',
        'max-scale-down-rate',
        'container-concurrency-target-percentage',
        'container-concurrency-target-default',
        'requests-per-second-target-default',
        'target-burst-capacity',
        'panic-window-percentage',
        'activator-capacity',
        'panic-threshold-percentage',
      ],
      FLOATS,
    ),
    ...all(['initial-scale', 'min-scale', 'max-scale', 'max-scale-limit'], INTS),
    ...all(
      [
        'stable-window',
        'scale-down-delay',
        'scale-to-zero-grace-period',
        'scale-to-zero-pod-retention-period',
      ],
      SPANS,
    ),
    'pod-autoscaler-class': ['kpa.autoscaling.knative.dev', 'odd', ''],
    odd: ['x'],
  },
  'config-gc': {
    ...all(['retain-since-create-time', 'retain-since-last-active-time'], [...SPANS, 'disabled', 'Disabled']),
    ...all(
      ['min-non-active-revisions', 'max-non-active-revisions'],
      [...INTS, 'disabled', 'DISABLED', '1001'],
    ),
  },
  'config-defaults': {
    ...all(
      [
        'revision-timeout-seconds',
        'max-revision-timeout-seconds',
        'revision-response-start-timeout-seconds',
        'revision-idle-timeout-seconds',
        'container-concurrency',
        'container-concurrency-max-limit',
      ],
      [...INTS, '299', '301', '601'],
    ),
    ...all(
      [
        'revision-cpu-request',
        'revision-memory-limit',
        'revision-ephemeral-storage-request',
        'revision-cpu-limit',
      ],
      QUANTITIES,
    ),
    'allow-container-concurrency-zero': BOOLS,
    'enable-service-links': [...BOOLS, 'default'],
    ...all(
      ['container-name-template', 'init-container-name-template'],
      ['c', '{{.Name}}', 'c-{{ .Namespace }}', '{{.Odd}}', '{{', '{{.Name', '', '}}', '{{.Name}}{{.UID}}'],
    ),
  },
  'config-features': all(
    [
      'multi-container',
      'kubernetes.podspec-fieldref',
      'secure-pod-defaults',
      'odd',
      'tag-header-based-routing',
    ],
    MODES,
  ),
  'config-deployment': {
    ...all(['progress-deadline', 'digest-resolution-timeout', 'progressDeadline'], SPANS),
    ...all(
      [
        'queue-sidecar-cpu-request',
        'queue-sidecar-memory-limit',
        'queueSidecarCPURequest',
        'queue-sidecar-cpu-limit',
      ],
      QUANTITIES,
    ),
    'registries-skipping-tag-resolving': ['kind.local,ko.local', ''],
    'default-affinity-type': ['none', 'prefer-spread-revision-over-nodes', 'odd', ''],
    'pod-is-always-schedulable': BOOLS,
  },
  'config-network': {
    ...all(['rollout-duration', 'rolloutDuration'], INTS),
    ...all(
      ['autocreate-cluster-domain-claims', 'enable-mesh-pod-addressability', 'autocreateClusterDomainClaims'],
      BOOLS,
    ),
    ...all(
      [
        'http-protocol',
        'httpProtocol',
        'system-internal-tls',
        'cluster-local-domain-tls',
        'external-domain-tls',
        'auto-tls',
      ],
      MODES,
    ),
    'default-external-scheme': ['http', 'https', 'odd', ''],
    'mesh-compatibility-mode': ['auto', 'enabled', 'odd'],
    'domain-template': [
      '{{.Name}}.{{.Namespace}}.{{.Domain}}',
      '{{.Name}}-{{.Namespace}}.{{.Domain}}',
      '{{.Name}}.{{index .Annotations "sub"}}.{{.Domain}}',
      '{{ .Domain }}',
      '{{.Name}}/{{.Domain}}',
      '/x',
      '',
      'constant.example',
      '{{.Odd}}.{{.Domain}}',
      '{{.Name',
    ],
    'tag-template': ['{{.Tag}}-{{.Name}}', '{{.Name}}--{{.Tag}}', '{{.Tag}}', '{{.Namespace}}', '{{.Tag', ''],
  },
  'config-domain': {
    'example.com': [
      '',
      'selector:\n  app: a',
      '|',
      'selector: x',
      '{',
      'odd: x',
      'selector:\n  app: 1',
      '[]',
      'x',
    ],
    'other.example': ['', 'selector:\n  app: b\n  env: c'],
  },
};
/** What upstream wants to be told and this platform has no use for. */
const ALWAYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'config-deployment': { 'queue-sidecar-image': 'proxy' },
};

/** Each value alone, then as many pairs and triples for each ConfigMap. */
export function configMapCases(seed: number, mixed: number): readonly ConfigMapCase[] {
  const random = new Random(seed);
  return Object.entries(CONFIG_MAPS).flatMap(([name, keys]) => {
    const make = (data: Readonly<Record<string, string>>): ConfigMapCase => ({
      name,
      data: { ...ALWAYS[name], ...data },
    });
    const choices = Object.entries(keys).flatMap(([key, values]) =>
      values.map((value) => [key, value] as const),
    );
    const several = Array.from({ length: mixed }, () =>
      make(Object.fromEntries(Array.from({ length: random.between(2, 4) }, () => random.pick(choices)))),
    );
    return [make({}), ...choices.map((choice) => make(Object.fromEntries([choice]))), ...several];
  });
}
