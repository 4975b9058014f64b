import type { Confinement, ContainerSpec } from '../container-spec.ts';
import { RUN_TOKEN } from '../process/left-overs.ts';
import type { Bind } from '../process/isolation/mount-script.ts';

/** Labels by which the containers of a data folder, and of one run of the platform, are found again. */
export const OWNER = 'dev.millrace.owner';
export const RUN = 'dev.millrace.run';

/** How a container gets its network: its own, with ports led out; that of another container; or the machine's. */
export type EngineNetwork =
  | { readonly kind: 'own'; readonly ports: readonly number[] }
  | { readonly kind: 'of'; readonly container: string }
  | { readonly kind: 'host' };

export type CreateInput = {
  readonly container: ContainerSpec;
  readonly env: Readonly<Record<string, string>>;
  readonly binds: readonly Bind[];
  readonly network: EngineNetwork;
  readonly labels: Readonly<Record<string, string>>;
  readonly token: string;
  /** Whom it asks for names; undefined: as the engine has it. */
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] } | undefined;
};

const CPU_PERIOD_US = 100_000;
const SHARES_MIN = 2;
const NOTHING = { command: undefined, args: undefined, confinement: undefined };
const EVERY_RIGHT = 0o1777;

/** The body of POST /containers/create, without its image (Docker Engine API 1.41, ContainerCreate). */
export function createBody({ container, env, binds, network, labels, token, dns }: CreateInput): object {
  const { launch, workingDir, user, limits } = container;
  const { command, args, confinement } = launch.kind === 'container' ? launch : NOTHING;
  const ports = network.kind === 'own' ? network.ports : [];
  const bound = { HostIp: '127.0.0.1', HostPort: '' }; // any that is free
  return {
    ...(command !== undefined && { Entrypoint: command }),
    // An entrypoint that is replaced takes the image's command with it (Kubernetes: command and args).
    ...((args !== undefined || command !== undefined) && { Cmd: args ?? [] }),
    Env: Object.entries({ ...env, [RUN_TOKEN]: token }).map(([name, value]) => `${name}=${value}`),
    Labels: labels,
    Healthcheck: { Test: ['NONE'] }, // Kubernetes has probes, and heeds no other
    ...(workingDir !== undefined && workingDir !== '' && { WorkingDir: workingDir }),
    ...userOf(user),
    ...(ports.length > 0 && { ExposedPorts: byPort(ports, {}) }),
    HostConfig: {
      NetworkMode: modeOf(network),
      // As Kubernetes has it; one that shares a network has the names of that.
      ...(network.kind === 'own' &&
        dns !== undefined && { Dns: dns.servers, DnsSearch: dns.search, DnsOptions: ['ndots:5'] }),
      ...(ports.length > 0 && { PortBindings: byPort(ports, [bound]) }),
      Binds: binds.flatMap((bind) =>
        bind.kind === 'bind' ? [`${bind.source}:${bind.path}${bind.isReadOnly ? ':ro' : ''}`] : [],
      ),
      Tmpfs: Object.fromEntries(
        binds.flatMap((bind) => (bind.kind === 'tmpfs' ? [[bind.path, tmpfsOf(bind.bytesMax)]] : [])),
      ),
      ...confined(confinement),
      ...(limits.milliCpusRequested !== undefined && {
        CpuShares: Math.max(SHARES_MIN, Math.floor((limits.milliCpusRequested * 1024) / 1000)),
      }),
      ...(limits.memoryBytes !== undefined && {
        Memory: limits.memoryBytes,
        MemorySwap: limits.memoryBytes, // swap would take what memory may not
      }),
      ...(limits.milliCpus !== undefined && {
        CpuPeriod: CPU_PERIOD_US,
        CpuQuota: Math.max(1000, Math.round((limits.milliCpus * CPU_PERIOD_US) / 1000)),
      }),
    },
  };
}

function confined(confinement: Confinement | undefined): object {
  if (confinement === undefined) return {};
  const { mayGainPrivileges, isReadOnly, capabilities, isUnconfined } = confinement;
  const options = [
    ...(mayGainPrivileges ? [] : ['no-new-privileges']),
    ...(isUnconfined ? ['seccomp=unconfined'] : []),
  ];
  return {
    ...(isReadOnly && { ReadonlyRootfs: true }),
    ...(capabilities.add.length > 0 && { CapAdd: capabilities.add }),
    ...(capabilities.drop.length > 0 && { CapDrop: capabilities.drop }),
    ...(options.length > 0 && { SecurityOpt: options }),
  };
}

const byPort = <T>(ports: readonly number[], value: T): Readonly<Record<string, T>> =>
  Object.fromEntries(ports.map((port) => [`${port}/tcp`, value]));

function modeOf(network: EngineNetwork): string {
  if (network.kind === 'own') return 'bridge';
  return network.kind === 'host' ? 'host' : `container:${network.container}`;
}

function tmpfsOf(bytesMax: number | undefined): string {
  return `mode=${EVERY_RIGHT.toString(8)}${bytesMax === undefined ? '' : `,size=${bytesMax}`}`;
}

function userOf({ uid, gid }: ContainerSpec['user']): { readonly User?: string } {
  if (uid === undefined && gid === undefined) return {};
  return { User: `${uid ?? 0}${gid === undefined ? '' : `:${gid}`}` };
}
