import type { RevisionSpec } from '../../apis/serving/types.ts';
import type { Mount } from '../runtime/container-spec.ts';
import type { VolumeSpec } from '../runtime/volume-spec.ts';

/** What else the containers of a Pod are given, by fields of its spec that are of no container. */
export type PodFiles = { readonly volumes: readonly VolumeSpec[]; readonly mounts: readonly Mount[] };

/** The machine's own, as text. */
export type MachineFiles = { readonly hosts: string; readonly resolvConf: string };

type Asked = Pick<RevisionSpec, 'hostAliases' | 'dnsPolicy' | 'dnsConfig'>;

/** No volume of a user's can have it: it is no name of Kubernetes'. */
const VOLUME = '.pod';
const MODE = 0o644;

/** `/etc/hosts` and `/etc/resolv.conf` as the Pod asks for them; nothing when it asks for nothing. */
export function podFilesOf(asked: Asked, machine: () => MachineFiles): PodFiles {
  const { hostAliases = [] } = asked;
  const hasNames = asked.dnsConfig !== undefined || asked.dnsPolicy === 'None';
  const files = [
    ...(hostAliases.length > 0 ? [{ name: 'hosts', text: hostsOf(hostAliases, machine().hosts) }] : []),
    ...(hasNames ? [{ name: 'resolv.conf', text: resolvConfOf(asked, machine().resolvConf) }] : []),
  ];
  if (files.length === 0) return { volumes: [], mounts: [] };
  const content = files.map(({ name, text }) => ({ path: name, content: Buffer.from(text), mode: MODE }));
  return {
    volumes: [{ kind: 'files', name: VOLUME, files: content }],
    mounts: files.map(({ name }) => ({
      volume: VOLUME,
      path: `/etc/${name}`,
      subPath: name,
      isReadOnly: true,
    })),
  };
}

/** As kubelet adds them to the file. */
function hostsOf(aliases: NonNullable<Asked['hostAliases']>, machine: string): string {
  const lines = aliases.map(({ ip, hostnames = [] }) => `${ip}\t${hostnames.join('\t')}`);
  return `${machine.trimEnd()}\n\n# Entries added by HostAliases.\n${lines.join('\n')}\n`;
}

/** core/v1 PodDNSConfig: what it names comes after what the machine has, which `None` leaves out. */
function resolvConfOf({ dnsPolicy, dnsConfig = {} }: Asked, machine: string): string {
  const lines = dnsPolicy === 'None' ? [] : machine.split('\n').map((line) => line.trim().split(/\s+/));
  const own = (key: string): readonly string[] =>
    lines.flatMap(([first, ...rest]) => (first === key ? rest : []));
  const { nameservers = [], searches = [], options = [] } = dnsConfig;
  const written = options.map(({ name, value }) => (value === undefined ? name : `${name}:${value}`));
  const isOverruled = (option: string): boolean => options.some(({ name }) => name === option.split(':')[0]);
  const search = unique([...own('search'), ...searches]);
  const all = [...own('options').filter((option) => !isOverruled(option ?? '')), ...written];
  return [
    ...unique([...own('nameserver'), ...nameservers]).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...(all.length > 0 ? [`options ${all.join(' ')}`] : []),
    '',
  ].join('\n');
}

const unique = (all: readonly string[]): readonly string[] => [...new Set(all)];

/**
 * Fields that place a Pod or say by what it is run, and change nothing where one machine runs all; each by its path. Those that
 * ask for what any process of this machine has (hostPID, hostIPC, shareProcessNamespace, tolerations) are honoured.
 */
export function placementOf(spec: RevisionSpec): readonly string[] {
  const asked: Readonly<Record<string, boolean>> = {
    'spec.nodeSelector': Object.keys(spec.nodeSelector ?? {}).length > 0,
    'spec.affinity': spec.affinity !== undefined,
    'spec.topologySpreadConstraints': (spec.topologySpreadConstraints ?? []).length > 0,
    'spec.schedulerName': (spec.schedulerName ?? DEFAULT_SCHEDULER) !== DEFAULT_SCHEDULER,
    'spec.priorityClassName': (spec.priorityClassName ?? '') !== '',
    'spec.runtimeClassName': (spec.runtimeClassName ?? '') !== '',
  };
  return Object.keys(asked).filter((field) => asked[field]);
}

const DEFAULT_SCHEDULER = 'default-scheduler';
