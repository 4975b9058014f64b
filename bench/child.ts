import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

export type Message = Readonly<Record<string, number | string>>;
export type Answer = Readonly<Record<string, number>>;

/** A part of a bench in a process of its own, spoken to by messages: each request has one answer. */
export class BenchChild {
  readonly #process: ChildProcess;
  readonly #waiting: ((answer: Answer) => void)[] = [];
  readonly #unread: Answer[] = [];

  /** With `profileFolder` it writes a CPU profile of each of its threads there when it ends. */
  constructor(file: string, args: readonly string[] = [], profileFolder?: string) {
    const execArgv =
      profileFolder === undefined
        ? []
        : ['--cpu-prof', '--cpu-prof-interval', '250', '--cpu-prof-dir', profileFolder];
    this.#process = fork(new URL(file, import.meta.url), [...args], { execArgv });
    this.#process.on('message', (answer: Answer) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#unread.push(answer);
      else waiting(answer);
    });
    this.#process.on('exit', (code) => {
      if (code !== 0 && code !== null) throw new Error(`${file} exited with ${code}`);
    });
  }

  /** Its next message without being asked: what it says once it is ready. */
  next(): Promise<Answer> {
    const unread = this.#unread.shift();
    if (unread !== undefined) return Promise.resolve(unread);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The port that it listens on: its first message. */
  async port(): Promise<number> {
    return (await this.next())['port'] ?? 0;
  }

  ask(request: Message): Promise<Answer> {
    const answer = this.next();
    this.#process.send(request);
    return answer;
  }

  /** User and system time that the process has taken, all threads together, in microseconds. */
  cpuMicros(): number {
    const stat = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10_000; // clock ticks of 10 ms
  }

  /** Time that its main thread has had a core, in microseconds. */
  mainMicros(): number {
    const [ranNs = '0'] = readFileSync(`/proc/${this.#process.pid}/schedstat`, 'utf8').split(' ');
    return Number(ranNs) / 1000;
  }

  /** What it holds of the memory, as the kernel counts it: pages that it shares by their part (PSS), and whole (RSS). */
  memoryMb(): { readonly pss: number; readonly rss: number } {
    const rollup = readFileSync(`/proc/${this.#process.pid}/smaps_rollup`, 'utf8');
    const read = (name: string): number =>
      Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1]) / 1024;
    return { pss: read('Pss'), rss: read('Rss') };
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }
}

/** Answers each message of the bench by what `answer` makes of it; ends with the bench. */
export function answerRequests(answer: (request: Message) => Promise<Answer>): void {
  process.on('message', (request: Message) => {
    void answer(request).then((value) => process.send?.(value));
  });
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
}
