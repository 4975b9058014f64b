/** The ConfigMaps that a new platform begins with, as Knative ships them where nothing else is said (contract: Defaults). */
export const SHIPPED_CONFIG_MAPS: readonly {
  readonly namespace: string;
  readonly name: string;
  readonly data: Readonly<Record<string, string>>;
}[] = [
  {
    namespace: 'knative-eventing',
    name: 'default-ch-webhook',
    data: {
      'default-ch-config':
        'clusterDefault:\n  apiVersion: messaging.knative.dev/v1alpha1\n  kind: LogChannel\n',
    },
  },
  {
    namespace: 'knative-eventing',
    name: 'config-features',
    data: {
      'delivery-retryafter': 'enabled',
      'delivery-timeout': 'enabled',
      'eventtype-auto-create': 'enabled', // upstream ships it disabled
    },
  },
  { namespace: 'knative-eventing', name: 'config-ping-defaults', data: { 'data-max-size': '-1' } },
  {
    namespace: 'knative-serving',
    name: 'config-autoscaler',
    data: {
      'container-concurrency-target-percentage': '70',
      'container-concurrency-target-default': '100',
      'requests-per-second-target-default': '200',
      'target-burst-capacity': '211',
      'stable-window': '60s',
      'panic-window-percentage': '10',
      'panic-threshold-percentage': '200',
      'max-scale-up-rate': '1000',
      'max-scale-down-rate': '2',
      'enable-scale-to-zero': 'true',
      'scale-to-zero-grace-period': '30s',
      'scale-to-zero-pod-retention-period': '0s',
      'pod-autoscaler-class': 'kpa.autoscaling.knative.dev',
      'activator-capacity': '100',
      'initial-scale': '1',
      'allow-zero-initial-scale': 'true',
      'min-scale': '0',
      'max-scale': '0',
      'scale-down-delay': '0s',
      'max-scale-limit': '0',
    },
  },
  {
    namespace: 'knative-serving',
    name: 'config-defaults',
    data: {
      'revision-timeout-seconds': '300',
      'max-revision-timeout-seconds': '600',
      'container-concurrency': '0',
      'container-concurrency-max-limit': '1000',
      'allow-container-concurrency-zero': 'true',
      'revision-idle-timeout-seconds': '0',
      'container-name-template': 'user-container',
      'init-container-name-template': 'init-container',
      'enable-service-links': 'false',
    },
  },
  {
    namespace: 'knative-serving',
    name: 'config-deployment',
    data: { 'progress-deadline': '600s', 'digest-resolution-timeout': '10s' },
  },
  {
    namespace: 'knative-serving',
    name: 'config-gc',
    data: {
      'retain-since-create-time': '48h',
      'retain-since-last-active-time': '15h',
      'min-non-active-revisions': '20',
      'max-non-active-revisions': '1000',
    },
  },
  {
    namespace: 'knative-serving',
    name: 'config-observability',
    data: { 'logging.enable-request-log': 'false', 'logging.enable-probe-request-log': 'false' },
  },
  {
    namespace: 'knative-serving',
    name: 'config-network',
    data: {
      'rollout-duration': '0',
      'http-protocol': 'Enabled',
      'autocreate-cluster-domain-claims': 'true', // upstream ships false: there, who may have a domain is the operator's to say
    },
  },
  { namespace: 'knative-serving', name: 'config-domain', data: {} },
  {
    namespace: 'knative-serving',
    name: 'config-features',
    data: { 'autodetect-http2': 'disabled', 'tag-header-based-routing': 'disabled' },
  },
];
