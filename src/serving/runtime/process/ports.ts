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

/** Rows of /proc/net/tcp in state 0A (LISTEN) whose inode is one of `sockets`. */
function listenersIn(table: string, sockets: ReadonlySet<string>): number[] {
  const rows = readFileSync(table, 'utf8').split('\n').slice(1);
  return rows.flatMap((row) => {
    const [, local = '', , state, , , , , , inode = ''] = row.trim().split(/\s+/);
    return state === '0A' && sockets.has(inode) ? [Number.parseInt(local.split(':')[1] ?? '', 16)] : [];
  });
}
