import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { processes } from './left-overs.ts';

/** A loopback port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo; // a TCP server that listens has one
      server.close(() => resolve(port));
    });
  });
}

/** The TCP ports that the processes of a group listen on; empty where /proc does not tell. */
export function listeningPorts(group: number): readonly number[] {
  try {
    const sockets = new Set(
      processes()
        .filter((pid) => groupOf(pid) === group)
        .flatMap(socketsOf),
    );
    return ['tcp', 'tcp6'].flatMap((table) => listenersIn(`/proc/${group}/net/${table}`, sockets));
  } catch {
    return [];
  }
}

/** Whether anything on this machine listens on a TCP port, at any of its addresses. */
export function isListenedOn(port: number): boolean {
  const rows = ['tcp', 'tcp6'].flatMap((table) =>
    attempt(() => readFileSync(`/proc/self/net/${table}`, 'utf8'), '').split('\n'),
  );
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return rows.some((row) => {
    const [, address = '', , state] = row.trim().split(/\s+/);
    return state === '0A' && address.endsWith(local);
  });
}

/** What a process group has used of the CPU, in ticks (proc(5), utime and stime); 0 where /proc does not tell. */
export function cpuTicksOf(group: number): number {
  const used = (pid: number): number => {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
    const [user = 0, system = 0] = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .slice(11, 13)
      .map(Number);
    return user + system;
  };
  return attempt(processes, [])
    .filter((pid) => groupOf(pid) === group)
    .reduce((sum, pid) => sum + used(pid), 0);
}

/** The TCP ports that anything listens on in the network of a process; empty where /proc does not tell. */
export function portsInNetworkOf(pid: number): readonly number[] {
  return attempt(
    () => [...new Set(['tcp', 'tcp6'].flatMap((table) => listenersIn(`/proc/${pid}/net/${table}`)))],
    [],
  );
}

/** Whether a process group has any socket of the internet, open or on its way to be. */
export function hasSockets(group: number): boolean {
  const own = new Set(
    attempt(processes, [])
      .filter((pid) => groupOf(pid) === group)
      .flatMap(socketsOf),
  );
  return ['tcp', 'tcp6', 'udp', 'udp6'].some((table) =>
    attempt(() => readFileSync(`/proc/${group}/net/${table}`, 'utf8'), '')
      .split('\n')
      .some((row) => own.has(row.trim().split(/\s+/)[9] ?? '')),
  );
}

function groupOf(pid: number): number {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'utf8'), '');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]); // state, parent, group
}

function socketsOf(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return attempt(() => readdirSync(folder), []).flatMap((fd) => {
    const target = attempt(() => readlinkSync(`${folder}/${fd}`), '');
    return /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? [];
  });
}

/** What processes and descriptors say is read while they come and go. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** Rows of /proc/net/tcp in state 0A (LISTEN) whose inode is one of `sockets`; undefined: any. */
function listenersIn(table: string, sockets?: ReadonlySet<string>): number[] {
  const rows = readFileSync(table, 'utf8').split('\n').slice(1);
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    const isOne = state === '0A' && (sockets?.has(inode) ?? true);
    return isOne ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : [];
  });
}
