import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Cgroups } from '../../../src/serving/runtime/process/isolation/cgroups.ts';
import { filesIn } from '../../../src/serving/runtime/process/files-in.ts';
import { LogFiles } from '../../../src/serving/runtime/process/log-files.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { FUNCTION, openProcessServing, WITNESS, type ProcessServing } from '../../kit/process-serving.ts';

/** Misbehaves as its query says; `?at=` names a phase of its life. */
const directory = folderWith('ill', {
  'index.mjs': `
    import { spawn } from 'node:child_process';
    import { existsSync, rmSync, writeFileSync } from 'node:fs';
    const never = () => new Promise(() => setInterval(() => {}, 1000));
    // Waits to be killed where the test has asked for it, once.
    const phase = async (name) => {
      const file = process.env.PHASES + '/' + name;
      if (!existsSync(file)) return;
      rmSync(file);
      writeFileSync(process.env.PHASES + '/victim', String(process.pid));
      await never();
    };
    await phase('load');
    export const init = () => phase('init');
    export const handle = async (context) => {
      const { does } = context.query;
      await phase('handle');
      if (does === 'never') await never();
      if (does === 'exit') process.exit(3);
      if (does === 'throw') setTimeout(() => { throw new Error('outside'); });
      if (does === 'throw') await never();
      if (does === 'fork') return String(spawn('sleep', ['600'], { stdio: 'ignore' }).pid);
      if (does === 'flood') setInterval(() => { for (let i = 0; i < 50; i += 1) console.log('x'.repeat(20_000)); }, 1);
      if (does === 'leak') for (const kept = []; ; ) kept.push(Buffer.alloc(8 * 1024 * 1024, 1));
      if (does === 'big') return Buffer.alloc(64 * 1024 * 1024);
      await new Promise((resolve) => setTimeout(resolve, Number(context.query.ms ?? 0)));
      return String(process.pid);
    };`,
});
const noMemoryLimit = new Cgroups({ name: `faults-${process.pid}` }).why('memory');
const witness = folderWith('witness', WITNESS);

let serving: ProcessServing;
let phases: string;
const logs = temporaryFolder('logs');
const BOUNDS = { fileBytesMax: 1024 * 1024, filesMax: 3, totalBytesMax: 1024 * 1024 * 1024 };
beforeAll(async () => {
  phases = temporaryFolder('phases');
  serving = await openProcessServing({
    warm: 2,
    logs: new LogFiles({ folder: logs, ...BOUNDS }),
  });
});
afterAll(() => serving.close());

type Options = Parameters<ProcessServing['revision']>[3];
function service(name: string, options: Options = {}): void {
  serving.revision(name, directory, FUNCTION, { ...options, env: { PHASES: phases } });
  serving.route(name, name);
}

function isRunning(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z '); // it has only not been waited for
}

describe('a function that', { timeout: 30_000 }, () => {
  it('never returns is a 504 when its time is over, and its instance goes on answering others', async () => {
    service('never', { plan: { timeoutMs: 500 } });
    const { ask, counts } = serving;
    await expect.poll(async () => (await ask('never')).code, { timeout: 10_000 }).toBe(200);
    const pid = (await ask('never')).text;
    expect(await ask('never', '/?does=never')).toMatchObject({ code: 504, text: 'request timeout\n' });
    expect((await ask('never')).text).toBe(pid);
    expect(counts('never')).toMatchObject({ ready: 1, inFlight: 0 });
  });

  it.each([
    ['exits in a request', 'exit', 'it exited with code 3'],
    ['throws outside its request', 'throw', 'it exited with code 1'],
  ])(
    '%s is a 502 that says so; another instance answers on, and the next request wakes a new one',
    async (_, does, reason) => {
      service(does, { plan: { containerConcurrency: 1 } });
      const { ask, counts } = serving;
      const long = ask(does, '/?ms=1500');
      await expect.poll(() => counts(does).inFlight, { timeout: 5000 }).toBe(1);
      expect(await ask(does, `/?does=${does}`)).toMatchObject({
        code: 502,
        text: `the instance did not answer: ${reason}\n`,
      });
      const again = await ask(does);
      expect(again.code).toBe(200);
      const { code, text } = await long;
      expect(code).toBe(200);
      expect(again.text).not.toBe(text);
      expect(counts(does)).toMatchObject({ inFlight: 0, waiting: 0 });
    },
  );

  it('forks leaves nothing behind when its instance ends', async () => {
    service('fork');
    const { ask, serving: data } = serving;
    const forked = Number((await ask('fork', '/?does=fork')).text);
    expect(isRunning(forked)).toBe(true);
    expect((await ask('fork', '/?does=exit')).code).toBe(502);
    await expect.poll(() => isRunning(forked)).toBe(false);
    const other = Number((await ask('fork', '/?does=fork')).text);
    await data.scaleToZero('demo/fork');
    expect(isRunning(other)).toBe(false);
  });

  it.skipIf(noMemoryLimit !== undefined)(
    'leaks memory up to its limit is ended there, and nobody else',
    async () => {
      const limits = { memoryBytes: 128 * 1024 * 1024, milliCpus: undefined };
      service('leak', { limits });
      service('beside');
      const { ask, events } = serving;
      const [pid, beside] = [(await ask('leak')).text, (await ask('beside')).text];
      expect(await ask('leak', '/?does=leak')).toMatchObject({
        code: 502,
        text: 'the instance did not answer: it was ended by SIGKILL\n',
      });
      const again = await ask('leak');
      expect(again.code).toBe(200);
      expect(again.text).not.toBe(pid);
      expect((await ask('beside')).text).toBe(beside);
      const ended = events.find(({ kind, revision }) => kind === 'ended' && revision === 'demo/leak');
      expect(ended).toMatchObject({ ended: { reason: expect.stringMatching(/^OOMKilled/) } });
    },
  );

  it('floods its output is logged within the bounds, while it and its neighbours answer', async () => {
    service('flood');
    serving.revision('neighbour', witness, FUNCTION);
    serving.route('neighbour', 'neighbour');
    await serving.ask('flood', '/?does=flood');
    const neighbours = Array.from({ length: 200 }, async () => serving.witness('neighbour', '/?ms=1'));
    await Promise.all(neighbours);
    expect((await serving.ask('flood')).code).toBe(200);
    const bytes = (): number => filesIn(logs).reduce((sum, file) => sum + file.bytes, 0);
    await expect.poll(bytes).toBeGreaterThan(BOUNDS.fileBytesMax);
    expect(bytes()).toBeLessThan((BOUNDS.filesMax + 1) * BOUNDS.fileBytesMax);
    await serving.serving.removeRevision('demo/flood');
  });
});

describe('a runner that is killed', { timeout: 30_000 }, () => {
  const victim = async (): Promise<number> => {
    const file = join(phases, 'victim');
    await expect
      .poll(() => existsSync(file) && readFileSync(file, 'utf8') !== '', { timeout: 8000 })
      .toBe(true);
    const pid = Number(readFileSync(file, 'utf8'));
    writeFileSync(file, '');
    return pid;
  };
  const afterwards = async (name: string): Promise<void> => {
    expect((await serving.ask(name)).code).toBe(200);
    expect(serving.counts(name)).toMatchObject({ ready: 1, inFlight: 0, waiting: 0 });
  };

  it('before it is handed the function is replaced by another, and nobody sees it', async () => {
    const own = await openProcessServing({ warm: 1 });
    try {
      await own.runtime.warmedUp();
      const [pid = 0] = own.runtime.pids;
      process.kill(pid, 'SIGSTOP'); // it is handed the function, and does not begin
      own.revision('stopped', witness, FUNCTION);
      own.route('stopped', 'stopped');
      const answer = own.witness('stopped');
      await expect.poll(() => own.counts('stopped').waiting).toBe(1);
      process.kill(pid, 'SIGKILL');
      expect((await answer).pid).not.toBe(pid);
      expect(own.events.map(({ kind }) => kind)).not.toContain('failed');
    } finally {
      await own.close();
    }
  });

  it.each([
    ['while it loads the function', 'load'],
    ['before its init() has ended', 'init'],
  ])('%s has the request answered by a second start', async (_, phase) => {
    writeFileSync(join(phases, phase), '');
    service(`killed-${phase}`);
    const answer = serving.ask(`killed-${phase}`);
    const pid = await victim();
    process.kill(pid, 'SIGKILL');
    const { code, text } = await answer;
    expect(code).toBe(200);
    expect(text).not.toBe(String(pid));
    await afterwards(`killed-${phase}`);
  });

  it('before it starts a second time, too, is a 503 with the reason', async () => {
    service('killed-twice');
    writeFileSync(join(phases, 'init'), '');
    const answer = serving.ask('killed-twice');
    const first = await victim();
    writeFileSync(join(phases, 'init'), '');
    process.kill(first, 'SIGKILL');
    process.kill(await victim(), 'SIGKILL');
    expect(await answer).toMatchObject({
      code: 503,
      text: expect.stringContaining('revision demo/killed-twice cannot start: ended by SIGKILL'),
    });
  });

  it('after it was ready and before its first byte is a 502: it may have seen the request', async () => {
    service('killed-asked');
    expect((await serving.ask('killed-asked')).code).toBe(200);
    writeFileSync(join(phases, 'handle'), '');
    const answer = serving.ask('killed-asked');
    process.kill(await victim(), 'SIGKILL');
    expect(await answer).toMatchObject({
      code: 502,
      text: 'the instance did not answer: it was ended by SIGKILL\n',
    });
    await afterwards('killed-asked');
  });

  it('in the middle of an answer has that cut for the client, who cannot take it for whole', async () => {
    service('killed-answering');
    const pid = Number((await serving.ask('killed-answering')).text);
    const socket = connect(serving.port, '127.0.0.1');
    socket.write('GET /?does=big HTTP/1.1\r\nHost: killed-answering.demo\r\n\r\n');
    let [read, isCut] = [0, false];
    socket.once('data', () => {
      socket.pause();
      process.kill(pid, 'SIGKILL');
      socket.resume();
    });
    socket.on('data', (chunk) => (read += chunk.length));
    socket.on('error', () => undefined);
    socket.on('close', () => (isCut = true));
    await expect.poll(() => isCut, { timeout: 5000 }).toBe(true);
    expect(read).toBeLessThan(64 * 1024 * 1024);
    await afterwards('killed-answering');
  });
});

describe('a program that', { timeout: 30_000 }, () => {
  const program = folderWith('halfway', {
    'server.mjs': `
      import { createServer } from 'node:http';
      createServer(({ url, socket }, response) => {
        if (url === '/none') return socket.resetAndDestroy();
        if (url === '/length') { response.writeHead(200, { 'content-length': 100 }); response.write('half'); setTimeout(() => socket.destroy(), 20); }
        else if (url === '/chunked') { response.write('half'); setTimeout(() => socket.destroy(), 20); }
        else response.end(String(process.pid));
      }).listen(process.env.PORT, '127.0.0.1');`,
  });

  it('closes connections half way never has a half passed on as a whole, and is kept', async () => {
    const { ask } = serving;
    serving.revision('halfway', program, { kind: 'program', command: ['node', 'server.mjs'] });
    serving.route('halfway', 'halfway');
    const pid = (await ask('halfway')).text;
    for (const path of ['/length', '/chunked']) await expect(ask('halfway', path)).rejects.toThrow();
    expect(await ask('halfway', '/none')).toMatchObject({
      code: 502,
      text: expect.stringMatching(/^the instance did not answer: /),
    });
    expect(await ask('halfway')).toMatchObject({ code: 200, text: pid });
  });
});
