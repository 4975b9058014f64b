import { readdir, readFile } from 'node:fs/promises';
import type { Usage } from '../usage.ts';

/** Ticks of a second in /proc, of every Linux that Node runs on (sysconf _SC_CLK_TCK). */
const TICKS = 100;
/** Whoever asks within so long is answered from the same reading: a reading looks at every process there is. */
const FRESH_MS = 250;
const AT_A_TIME = 16;

type Process = { readonly pid: number; readonly cpuSeconds: number };
type Groups = ReadonlyMap<number, readonly Process[]>;

/** What process groups use, as Linux tells in /proc; where there is no /proc, nothing is known. */
export class ProcessTable {
  #groups: Promise<Groups> | undefined;
  #readAtMs = 0;

  /** Of all processes of a group; undefined: there are none, or nobody knows. */
  async usageOf(group: number): Promise<Usage | undefined> {
    if (group <= 0) return undefined; // it never began
    const processes = (await this.#current()).get(group);
    if (processes === undefined) return undefined;
    const memory = await Promise.all(processes.map(({ pid }) => memoryOf(pid)));
    return {
      cpuSeconds: processes.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  #current(): Promise<Groups> {
    const nowMs = performance.now();
    if (this.#groups === undefined || nowMs - this.#readAtMs > FRESH_MS) {
      this.#readAtMs = nowMs;
      this.#groups = readGroups();
    }
    return this.#groups;
  }
}

async function readGroups(): Promise<Groups> {
  const names = await readdir('/proc').catch((): string[] => []);
  const pids = names.filter((name) => /^\d+$/.test(name));
  const groups = new Map<number, Process[]>();
  for (let i = 0; i < pids.length; i += AT_A_TIME) {
    const stats = await Promise.all(pids.slice(i, i + AT_A_TIME).map(statOf));
    for (const stat of stats) {
      if (stat !== undefined) groups.set(stat.group, [...(groups.get(stat.group) ?? []), stat]);
    }
  }
  return groups;
}

/** proc(5), /proc/pid/stat: the name in brackets may hold anything; utime, stime, cutime and cstime are fields 14 to 17. */
async function statOf(pid: string): Promise<(Process & { readonly group: number }) | undefined> {
  const text = await read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // the first is field 3
  const group = Number(fields[2]);
  if (!Number.isInteger(group) || text === '') return undefined;
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return { pid: Number(pid), group, cpuSeconds: ticks / TICKS };
}

/** Its share (PSS), or where that is not told all that it has in RAM. */
async function memoryOf(pid: number): Promise<number> {
  const share = kibibytes(await read(`/proc/${pid}/smaps_rollup`), 'Pss');
  return 1024 * (share ?? kibibytes(await read(`/proc/${pid}/status`), 'VmRSS') ?? 0);
}

function kibibytes(text: string, name: string): number | undefined {
  const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Empty when the process is gone meanwhile, or is another's. */
function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
}
