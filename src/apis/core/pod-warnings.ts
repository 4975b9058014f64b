import type { Container } from '../serving/types.ts';
import type { PodSpec } from './pod-spec.ts';

/** What a program may count on and does not get here; what only says where a Pod may run is of no matter on one machine. */
const POD_FIELDS = [
  'dnsConfig',
  'ephemeralContainers',
  'hostAliases',
  'hostIPC',
  'hostNetwork',
  'hostPID',
  'hostname',
  'readinessGates',
  'runtimeClassName',
  'shareProcessNamespace',
  'subdomain',
];
const CONTAINER_FIELDS = ['lifecycle', 'stdin', 'tty', 'volumeDevices'];

/** Said to whoever writes it; `at` is where the spec stands. */
export function podSpecWarnings(spec: PodSpec = {}, at: string): readonly string[] {
  const { containers = [], initContainers = [] } = spec;
  return [
    ...given(spec, POD_FIELDS, at),
    ...containers.flatMap((each, i) => given(each, CONTAINER_FIELDS, `${at}.containers[${i}]`)),
    ...initContainers.flatMap((each, i) => given(each, CONTAINER_FIELDS, `${at}.initContainers[${i}]`)),
  ];
}

function given(of: PodSpec | Container, fields: readonly string[], at: string): readonly string[] {
  return fields
    .filter((field) => ![undefined, false, ''].includes(Reflect.get(of, field) as undefined))
    .map((field) => `${at}.${field}: not honoured here, it runs without`);
}
