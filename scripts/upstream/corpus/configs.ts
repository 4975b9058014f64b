import type { Random } from './random.ts';

export type Configs = Readonly<Record<string, Readonly<Record<string, string>>>>;

const FLAGS = [
  'multi-container',
  'multi-container-probing',
  'kubernetes.podspec-affinity',
  'kubernetes.podspec-topologyspreadconstraints',
  'kubernetes.podspec-hostaliases',
  'kubernetes.podspec-fieldref',
  'kubernetes.podspec-nodeselector',
  'kubernetes.podspec-runtimeclassname',
  'kubernetes.podspec-securitycontext',
  'kubernetes.podspec-shareprocessnamespace',
  'kubernetes.podspec-hostipc',
  'kubernetes.podspec-hostpid',
  'kubernetes.podspec-hostnetwork',
  'kubernetes.podspec-priorityclassname',
  'kubernetes.podspec-schedulername',
  'kubernetes.containerspec-addcapabilities',
  'kubernetes.podspec-tolerations',
  'kubernetes.podspec-volumes-emptydir',
  'kubernetes.podspec-volumes-hostpath',
  'kubernetes.podspec-volumes-csi',
  'kubernetes.podspec-volumes-ephemeral',
  'kubernetes.podspec-volumes-image',
  'kubernetes.podspec-volumes-mount-propagation',
  'kubernetes.podspec-init-containers',
  'kubernetes.podspec-persistent-volume-claim',
  'kubernetes.podspec-persistent-volume-write',
  'kubernetes.podspec-dnspolicy',
  'kubernetes.podspec-dnsconfig',
  'secure-pod-defaults',
];
const VALUES = ['enabled', 'enabled', 'Enabled', 'allowed', 'Allowed', 'disabled', 'odd', 'AllowRootBounded'];

const DEFAULTS: readonly Readonly<Record<string, string>>[] = [
  { 'revision-timeout-seconds': '120' },
  { 'revision-timeout-seconds': '500', 'revision-response-start-timeout-seconds': '100' },
  { 'revision-idle-timeout-seconds': '50' },
  { 'max-revision-timeout-seconds': '1000', 'revision-response-start-timeout-seconds': '300' },
  { 'container-concurrency': '10' },
  { 'container-concurrency-max-limit': '50' },
  { 'allow-container-concurrency-zero': 'false', 'container-concurrency': '1' },
  { 'container-name-template': 'c-{{.Name}}-{{.Namespace}}' },
  { 'init-container-name-template': 'i-{{.Name}}' },
  { 'enable-service-links': 'true' },
  { 'enable-service-links': 'default' },
  { 'revision-cpu-request': '400m', 'revision-memory-request': '100M' },
  { 'revision-cpu-limit': '2', 'revision-memory-limit': '1G', 'revision-ephemeral-storage-limit': '3G' },
];
const AUTOSCALERS: readonly Readonly<Record<string, string>>[] = [
  { 'allow-zero-initial-scale': 'true' },
  { 'max-scale-limit': '5', 'max-scale': '3' },
  { 'max-scale': '2' },
];

/** Every flag set to one of `values`. */
export const allFlags = (value: string): Configs => ({
  'config-features': Object.fromEntries(FLAGS.map((flag) => [flag, value])),
});

/** Nothing said, some of the time; else a few flags, other defaults, another autoscaler. */
export function someConfigs(random: Random): Configs {
  const features = FLAGS.filter(() => random.chance(0.25)).map((flag) => [flag, random.pick(VALUES)]);
  return {
    ...(random.chance(0.6) && features.length > 0 && { 'config-features': Object.fromEntries(features) }),
    ...(random.chance(0.3) && { 'config-defaults': random.pick(DEFAULTS) }),
    ...(random.chance(0.3) && { 'config-autoscaler': random.pick(AUTOSCALERS) }),
  };
}

/** Each of the settings that `someConfigs` may choose, alone. */
export const EACH_CONFIG: readonly Configs[] = [
  ...DEFAULTS.map((data) => ({ 'config-defaults': data })),
  ...AUTOSCALERS.map((data) => ({ 'config-autoscaler': data })),
  ...FLAGS.map((flag) => ({ 'config-features': { [flag]: 'enabled' } })),
  ...['allowrootbounded', 'allowed', 'ENABLED'].map((value) => ({
    'config-features': { 'secure-pod-defaults': value },
  })),
];
