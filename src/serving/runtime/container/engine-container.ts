import { setTimeout as pause } from 'node:timers/promises';
import { messageOf } from '../../../base/errors.ts';
import { within } from '../../../base/within.ts';
import type { Ended } from '../runtime.ts';
import { failed } from '../process/child.ts';
import type { LogSink } from '../process/output.ts';
import type { RunProcess } from '../process/run-process.ts';
import { faultOf, type Engine, type Inspected } from './engine.ts';
import { EngineCommand } from './engine-command.ts';
import { Frames } from './frames.ts';
import { isOfRun } from './of-run.ts';

/** An engine that is away is asked again so often whether its container still runs. */
const AGAIN_MS = 500;
/** What was printed last is waited for no longer. */
const LAST_OUTPUT_MS = 1000;
/** Beyond the grace of a stop, an engine that says nothing is not waited for longer. */
const STOP_TIMEOUT_MS = 15_000;
/** 128 + SIGKILL. */
const KILLED = 137;
const EVENTS_TIMEOUT_MS = 5000;
const GONE = 404;
const REMOVE_EVERY_MS = 250;
const REMOVE_TRIES = 40;
const TAIL_BYTES = 2048;
const TAIL_LINES = 5;
/** Of what a probe's command prints. */
const SAID_MAX = 1024;

export type Creation = {
  readonly name: string;
  /** Of POST /containers/create. */
  readonly body: object;
  /** In its environment. */
  readonly token: string;
  /** Its memory is. */
  readonly isBounded: boolean;
};
export type Refusal = { readonly status: number; readonly fault: string };

/** Whether a container is gone now. */
export async function removed(engine: Engine, id: string): Promise<boolean> {
  const answer = await engine.ask('DELETE', `/containers/${id}?force=1&v=1`).catch(() => undefined);
  return answer !== undefined && (answer.status < 300 || answer.status === GONE);
}

/** One container of an engine, from its creation to its removal. */
export class EngineContainer implements RunProcess {
  readonly id: string;
  readonly startedMs = Date.now();
  readonly ended: Promise<Ended>;
  readonly #engine: Engine;
  readonly #token: string;
  readonly #isBounded: boolean;
  readonly #end = Promise.withResolvers<Ended>();
  readonly #removal = Promise.withResolvers<void>();
  readonly #logs = new AbortController();
  #tail = Buffer.alloc(0);
  #write: ((stream: 'stdout' | 'stderr', chunk: Buffer) => void) | undefined;
  #inspected: Inspected = {};
  #wasAsked = false;
  #isOver = false;
  #wasOutOfMemory = false;

  private constructor(engine: Engine, id: string, token: string, isBounded: boolean) {
    this.#token = token;
    this.#isBounded = isBounded;
    this.#engine = engine;
    this.id = id;
    this.ended = this.#end.promise;
  }

  /** Creates one, which does not run yet; what the engine says is a value. */
  static async create(
    engine: Engine,
    { name, body, token, isBounded }: Creation,
  ): Promise<EngineContainer | Refusal> {
    const answer = await engine.ask('POST', `/containers/create?name=${encodeURIComponent(name)}`, body);
    const id = (answer.body as { Id?: unknown } | null)?.Id;
    if (answer.status >= 300 || typeof id !== 'string')
      return { status: answer.status, fault: faultOf(answer) };
    return new EngineContainer(engine, id, token, isBounded);
  }

  /** Starts it; rejects with what the engine says when it cannot be started. */
  async start(): Promise<void> {
    const answer = await this.#ask('POST', '/start');
    if (answer.status >= 300) {
      const reason = faultOf(answer);
      await this.#remove();
      this.#finish({ exitCode: 127, signal: undefined, wasAsked: this.#wasAsked, reason });
      throw failed('ContainerCannotRun', reason);
    }
    this.#inspected = await this.#inspect();
    const printed = this.#follow();
    void this.#watch(printed);
  }

  /** Of this machine, where the engine runs on it. */
  get pid(): number {
    return this.#inspected.State?.Pid ?? 0;
  }

  get output(): RunProcess['output'] {
    const lines = this.#tail.toString().trimEnd().split('\n').slice(-TAIL_LINES).join('\n');
    return { said: lines === '' ? '' : `; it printed last:\n${lines}` };
  }

  /** Resolves when nothing of it is left, or all has been tried. */
  get removal(): Promise<void> {
    return this.#removal.promise;
  }

  /** Whether the kernel has ended it because its memory was used up. */
  get wasOutOfMemory(): boolean {
    return this.#wasOutOfMemory;
  }

  /** The port of this machine that leads to one of its own; undefined: none does. */
  portOf(inner: number): number | undefined {
    const bound = this.#inspected.NetworkSettings?.Ports?.[`${inner}/tcp`]?.[0]?.HostPort;
    return bound === undefined || bound === '' ? undefined : Number(bound);
  }

  sendTo(sink: LogSink, instance: string): void {
    this.#write = (stream, chunk) => sink.write(instance, stream, chunk);
    void this.ended.then(() => sink.ended?.(instance));
  }

  async stop(graceMs: number): Promise<void> {
    this.#wasAsked = true;
    if (this.#isOver) return;
    const timer = setTimeout(() => void this.#kill('SIGKILL'), graceMs);
    void this.#kill(graceMs === 0 ? 'SIGKILL' : this.#stopSignal);
    const late = setTimeout(() => {
      const reason = `the container engine at ${this.#engine.socket} does not say that it has ended`;
      this.#removal.resolve();
      this.#finish({ exitCode: undefined, signal: 'SIGKILL', wasAsked: true, reason });
    }, graceMs + STOP_TIMEOUT_MS);
    await this.ended;
    clearTimeout(timer);
    clearTimeout(late);
  }

  /** Runs a command in it; undefined when it ended with 0, else what it printed. */
  async run(command: readonly string[], timeoutMs: number): Promise<string | undefined> {
    const late = `no end within ${timeoutMs} ms`;
    try {
      const running = await this.exec(command, false);
      if (running === undefined) return 'it does not run';
      running.stdin.end();
      let printed = '';
      const note = (chunk: Buffer): void => void (printed = (printed + chunk.toString()).slice(0, SAID_MAX));
      running.stdout.on('data', note);
      running.stderr?.on('data', note);
      const code = await within(timeoutMs, running.ended, () => new Error(late)).finally(running.kill);
      return code === 0 ? undefined : printed.trim() || `it ended with ${code}`;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Begins a command in it; undefined: it does not run. */
  exec(command: readonly string[], hasTerminal: boolean): Promise<EngineCommand | undefined> {
    const endProcess = (pid: number): void => {
      if (isOfRun(pid, this.#token)) process.kill(pid, 'SIGKILL');
    };
    return EngineCommand.start(this.#engine, this.id, command, { hasTerminal, endProcess });
  }

  /** Whether its processes are those of this machine: the number of one in a machine of the engine's own may be another's here. */
  get isHere(): boolean {
    return this.pid > 1 && isOfRun(this.pid, this.#token);
  }

  /** By which this machine reaches it, where its network is one of this machine. */
  get address(): string | undefined {
    const { IPAddress, Networks = {} } = this.#inspected.NetworkSettings ?? {};
    const all = [IPAddress, ...Object.values(Networks ?? {}).map((each) => each.IPAddress)];
    return all.find((each) => each !== undefined && each !== '');
  }

  /** Passes on what it prints, until it has ended; what it prints while the engine is away follows when that is back. */
  async #follow(): Promise<void> {
    let sinceMs: number | undefined;
    do {
      await this.#followOnce(sinceMs);
      sinceMs = Date.now();
    } while (await this.#goesOn());
  }

  async #followOnce(sinceMs: number | undefined): Promise<void> {
    const frames = new Frames((stream, chunk) => {
      this.#tail = Buffer.concat([this.#tail, chunk]).subarray(-TAIL_BYTES);
      this.#write?.(stream, chunk);
    });
    const since = sinceMs === undefined ? '' : `&since=${(sinceMs / 1000).toFixed(3)}`;
    const path = `/containers/${this.id}/logs?follow=1&stdout=1&stderr=1${since}`;
    try {
      const { body } = await this.#engine.stream('GET', path, undefined, this.#logs.signal);
      for await (const chunk of body as AsyncIterable<Buffer>) frames.take(chunk);
    } catch {
      // the engine is away
    }
  }

  /** Whether it still runs, as soon as the engine can say. */
  async #goesOn(): Promise<boolean> {
    while (!this.#isOver && !this.#logs.signal.aborted) {
      const answer = await this.#ask('GET', '/json').catch(() => undefined);
      if (answer !== undefined) return (answer.body as Inspected).State?.Running === true;
      await pause(AGAIN_MS);
    }
    return false;
  }

  async #watch(printed: Promise<void>): Promise<void> {
    const state = await this.#untilStopped();
    if (this.#isOver) return;
    await Promise.race([printed, pause(LAST_OUTPUT_MS)]);
    this.#logs.abort();
    const exitCode = state?.ExitCode;
    this.#wasOutOfMemory =
      state?.OOMKilled === true || (exitCode === KILLED && (await this.#isOutOfMemory()));
    await this.#remove();
    const how = state === undefined ? 'the engine does not know it any more' : `exited with code ${exitCode}`;
    const reason = how + this.output.said;
    this.#finish({
      exitCode,
      signal: exitCode === undefined ? 'SIGKILL' : undefined,
      wasAsked: this.#wasAsked,
      reason,
    });
  }

  /** Not every engine sees it; but who has sent SIGKILL to what has a bound, if nobody has asked the engine to? */
  async #isOutOfMemory(): Promise<boolean> {
    if (!this.#isBounded || this.#wasAsked) return false;
    const filters = encodeURIComponent(JSON.stringify({ container: [this.id], event: ['kill'] }));
    const [since, until] = [Math.floor(this.startedMs / 1000), Math.floor(Date.now() / 1000) + 1];
    const path = `/events?since=${since}&until=${until}&filters=${filters}`;
    const { body } = await this.#engine
      .ask('GET', path, undefined, { timeoutMs: EVENTS_TIMEOUT_MS })
      .catch(() => ({ body: '' }));
    return body === '';
  }

  /** Undefined: somebody has removed it. An engine that is away is waited for: its containers may well run on. */
  async #untilStopped(): Promise<Inspected['State']> {
    while (!this.#isOver) {
      try {
        const { body } = await this.#engine.stream(
          'POST',
          `/containers/${this.id}/wait`,
          undefined,
          this.#logs.signal,
        );
        body.resume();
        await new Promise((resolve) => body.once('close', resolve));
        const answer = await this.#ask('GET', '/json');
        if (answer.status === 404) return undefined;
        const state = (answer.body as Inspected).State;
        if (state?.Running === false) return state;
      } catch {
        // asked again
      }
      await pause(AGAIN_MS);
    }
    return undefined;
  }

  async #inspect(): Promise<Inspected> {
    return (await this.#ask('GET', '/json')).body as Inspected;
  }

  /** Images may name another than SIGTERM, as nginx does; kubelet heeds that. */
  get #stopSignal(): string {
    return this.#inspected.Config?.StopSignal || 'SIGTERM';
  }

  async #kill(signal: string): Promise<void> {
    await this.#ask('POST', `/kill?signal=${signal}`).catch(() => undefined); // it ends by itself meanwhile
  }

  /** One whose network others have may have to wait for those; what is left after all, the next run removes. */
  async #remove(): Promise<void> {
    const isGone = await removed(this.#engine, this.id);
    this.#removal.resolve(isGone ? undefined : this.#removeLater());
  }

  async #removeLater(): Promise<void> {
    for (let tries = REMOVE_TRIES; tries > 0; tries -= 1) {
      await pause(REMOVE_EVERY_MS);
      if (await removed(this.#engine, this.id)) return;
    }
  }

  #finish(how: Ended): void {
    this.#isOver = true;
    this.#logs.abort();
    this.#end.resolve(how);
  }

  #ask(method: 'GET' | 'POST', path: string, body?: unknown): ReturnType<Engine['ask']> {
    return this.#engine.ask(method, `/containers/${this.id}${path}`, body);
  }
}
