import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A part of a bench in a process of its own, spoken to by messages: each request has one answer. */
export class BenchChild {
  readonly #process: ChildProcess;
  readonly #waiting: ((answer: Record<string, number>) => void)[] = [];
  readonly #unread: Record<string, number>[] = [];

  constructor(file: string, args: readonly string[] = [], execArgv: readonly string[] = []) {
    this.#process = fork(new URL(file, import.meta.url), [...args], { execArgv: [...execArgv] });
    this.#process.on('message', (answer: Record<string, number>) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#unread.push(answer);
      else waiting(answer);
    });
    this.#process.on('exit', (code) => {
      if (code !== 0 && code !== null) throw new Error(`${file} exited with ${code}`);
    });
  }

  /** Its next message without being asked: what it says once it is ready. */
  next(): Promise<Record<string, number>> {
    const unread = this.#unread.shift();
    if (unread !== undefined) return Promise.resolve(unread);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(request: Record<string, unknown>): Promise<Record<string, number>> {
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

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }
}

export function answerRequests(
  answer: (request: Record<string, number | string>) => Promise<Record<string, number>>,
): void {
  process.on('message', (request: Record<string, number | string>) => {
    void answer(request).then((value) => process.send?.(value));
  });
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
}
