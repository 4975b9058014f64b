import { randomUUID } from 'node:crypto';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerSpec } from '../../src/serving/runtime/container-spec.ts';
import type { ContainerStatus, InstanceStatus } from '../../src/serving/runtime/instance-status.ts';
import type { LogSink } from '../../src/serving/runtime/process/output.ts';
import type { Reach } from '../../src/serving/runtime/reach.ts';
import type { Instance, InstanceSpec, Runtime } from '../../src/serving/runtime/runtime.ts';
import { freePort } from '../../src/serving/runtime/process/ports.ts';
import { askThrough, finished } from '../kit/reach.ts';
import { aContainer, aProbe, revisionPlan, TCP } from '../kit/small-platform.ts';

/** How the suite meets a runtime: a machine with a shell, and a server that can be told to run a line of it. */
export type RuntimeOnTrial = {
  readonly runtime: Runtime & Reach;
  /** Answers GET / with `ok` on the port in PORT, once this line of shell has run. */
  readonly server: (before?: string) => Partial<ContainerSpec>;
  readonly shell: (line: string) => Partial<ContainerSpec>;
  /** Runs a line where a server runs, and gives what it prints. */
  readonly runIn: (instance: Instance, line: string) => Promise<string>;
  /** Makes a server end with 3. */
  readonly crash: (instance: Instance) => Promise<unknown>;
  /** How many processes, or containers, of this runtime there are now. */
  readonly running: () => Promise<number>;
  readonly release: () => Promise<void>;
};

export type RuntimeMaker = (logs: LogSink) => Promise<RuntimeOnTrial>;

/** Exec probes begin once the server is there to be told. */
const LISTENS = aProbe(TCP, { periodMs: 1000, failureThreshold: 20 });
const WAIT = { timeout: 15_000, interval: 20 };

/** The promises R1 to R6 of src/serving/runtime/runtime.ts and A1 of reach.ts, for any runtime; `why` is a reason for which it cannot be tried here. */
export function runtimeContract(name: string, make: RuntimeMaker, why?: string): void {
  const title = `${name} keeps the runtime contract${why === undefined ? '' : ` (not here: ${why})`}`;
  describe.skipIf(why !== undefined)(title, { timeout: 60_000 }, () => {
    const printed = new Map<string, string>();
    const told = new Map<string, InstanceStatus[]>();
    let trial: RuntimeOnTrial;
    let last = 0;

    beforeAll(async () => {
      trial = await make({
        write: (id, _, chunk) => printed.set(id, `${printed.get(id) ?? ''}${chunk.toString()}`),
      });
    });
    afterAll(() => trial?.release());

    const serving = (more: Partial<ContainerSpec> = {}, before?: string): ContainerSpec =>
      aContainer({ isServing: true, readiness: aProbe(TCP), ...trial.server(before), ...more });

    function start(
      containers: readonly ContainerSpec[],
      more: Partial<InstanceSpec> = {},
      id = `trial-${(last += 1)}`,
    ): Promise<Instance> {
      const { instance } = revisionPlan('trial', '/', { kind: 'program', command: [] });
      told.set(id, []);
      return trial.runtime.start({ ...instance, readyTimeoutMs: 20_000, containers, ...more }, id, (status) =>
        told.get(id)?.push(status),
      );
    }
    const statusOf = (id: string, container: string): ContainerStatus | undefined => {
      const { containers = [], initContainers = [] } = told.get(id)?.at(-1) ?? {};
      return [...initContainers, ...containers].find((each) => each.name === container);
    };
    const ask = async ({ port }: Instance): Promise<string> =>
      (await request(`http://127.0.0.1:${port}/`)).body.text();
    const isAnswering = (instance: Instance): Promise<boolean> =>
      ask(instance).then(
        () => true,
        () => false,
      );
    const mark = (): string => `/tmp/mark-${randomUUID()}`;

    it('R1 a start resolves once the instance answers, however long that takes it, and not before', async () => {
      const instance = await start([serving({}, 'sleep 0.5')]);
      expect(await ask(instance)).toBe('ok');
      expect(instance.readyMs - instance.startedMs).toBeGreaterThanOrEqual(400);
      await instance.stop(0);
    });

    it('R1 gives each instance the runtime contract of Knative and its own variables', async () => {
      const instance = await start([serving({ env: { OWN: 'its "own"' }, idEnv: ['POD'] })]);
      expect(
        await trial.runIn(instance, 'echo "$K_SERVICE $K_REVISION $K_CONFIGURATION $POD $OWN $PORT"'),
      ).toMatch(new RegExp(`^trial trial-00001 trial ${instance.id} its "own" [0-9]+\n$`));
      await instance.stop(0);
    });

    it('R1 two instances of a revision run side by side', async () => {
      const both = await Promise.all([start([serving()]), start([serving()])]);
      expect(new Set(both.map(({ port }) => port)).size).toBe(2);
      for (const instance of both) expect(await ask(instance)).toBe('ok');
      await Promise.all(both.map((instance) => instance.stop(0)));
    });

    it('R2 a start that ends early rejects with its exit code and what it printed last', async () => {
      await expect(start([serving(trial.shell('echo no luck; exit 5'))])).rejects.toMatchObject({
        code: 'ExitCode5',
        message: expect.stringMatching(/no luck/),
      });
    });

    it('R2 a command that is not there is told by its name', async () => {
      const launch = { ...serving().launch, command: ['no-such-program'] } as ContainerSpec['launch'];
      await expect(start([serving({ launch })])).rejects.toMatchObject({
        code: expect.stringMatching(/^(ExitCode127|ContainerCannotRun)$/),
        message: expect.stringContaining('no-such-program'),
      });
    });

    it('R2 one that never listens is given up at the deadline, and nothing of it keeps running', async () => {
      const id = mark().slice('/tmp/'.length);
      const before = await trial.running();
      const idle = serving(trial.shell('echo waiting for nothing; sleep 300'));
      await expect(start([idle], { readyTimeoutMs: 1200 }, id)).rejects.toMatchObject({
        code: 'ProgressDeadlineExceeded',
        message: expect.stringMatching(/waiting for nothing/),
      });
      await expect.poll(() => statusOf(id, 'user-container')?.state.kind, WAIT).toBe('terminated');
      await expect.poll(trial.running, WAIT).toBe(before);
    });

    it('R1 containers of an instance share an address, and each is asked on the port that its probe names', async () => {
      const port = await freePort();
      const action = { kind: 'http', port, path: '/', headers: {}, isTls: false } as const;
      const env = { PORT: String(port) };
      const side = aContainer({ name: 'side', ...trial.server(), env, readiness: aProbe(action) });
      const instance = await start([serving(), side]);
      expect(statusOf(instance.id, 'side')).toMatchObject({ isReady: true });
      expect(await askThrough(trial.runtime, instance.id, port)).toBe('ok');
      await instance.stop(0);
    });

    it('R1 one that asks for the network of this machine is told a free port of it', async () => {
      const instance = await start([serving()], { network: 'host' });
      expect(await trial.runIn(instance, 'echo $PORT')).toBe(`${instance.port}\n`);
      await instance.stop(0);
    });

    it('R2 init containers run first, one after the other, and hold all back when they fail', async () => {
      const init = (name: string, line: string) => aContainer({ name, ...trial.shell(line) });
      const instance = await start([serving()], {
        initContainers: [init('one', 'echo one'), init('two', 'echo two')],
      });
      expect(statusOf(instance.id, 'two')?.state).toMatchObject({ kind: 'terminated', exitCode: 0 });
      await instance.stop(0);
      const failing = start([serving()], { initContainers: [init('three', 'echo no base; exit 2')] });
      await expect(failing).rejects.toMatchObject({
        code: 'ExitCode2',
        message: expect.stringMatching(/^init container three: .*\n?.*no base/s),
      });
    });

    it('R4 what its containers print goes to the log sink, each by its name', async () => {
      const side = aContainer({ name: 'side', ...trial.shell('echo from the side; exec sleep 300') });
      const instance = await start([serving({}, 'echo from the main one; echo and its errors >&2'), side]);
      const ofMain = (): string => printed.get(`${instance.id}.user-container`) ?? '';
      await expect.poll(ofMain, WAIT).toContain('from the main one\n');
      await expect.poll(ofMain, WAIT).toContain('and its errors\n');
      await expect.poll(() => printed.get(`${instance.id}.side`), WAIT).toBe('from the side\n');
      await instance.stop(0);
    });

    it('R5 a crash tells its code, and a start of the same id counts as a restart', async () => {
      const id = mark().slice('/tmp/'.length);
      const instance = await start([serving()], {}, id);
      void trial.crash(instance).catch(() => undefined);
      expect(await instance.ended).toMatchObject({ exitCode: 3, wasAsked: false });
      const again = await start([serving()], {}, id);
      expect(statusOf(id, 'user-container')).toMatchObject({
        restarts: 1,
        last: { exitCode: 3, reason: 'Error' },
      });
      await again.stop(0);
    });

    it('R5 a container beside the main one is restarted in place', async () => {
      const side = aContainer({ name: 'side', ...trial.shell('sleep 0.5; exit 4') });
      const instance = await start([serving(), side]);
      const { pid } = instance;
      await expect
        .poll(() => statusOf(instance.id, 'side'), WAIT)
        .toMatchObject({ restarts: 1, last: { exitCode: 4, reason: 'Error' } });
      expect([instance.pid, await ask(instance)]).toEqual([pid, 'ok']);
      await instance.stop(0);
    });

    it('R6 tells of a probe that fails, and of its recovery', async () => {
      const file = mark();
      const action = { kind: 'exec', command: ['sh', '-c', `! test -e ${file}`] } as const;
      const readiness = aProbe(action, { periodMs: 50, failureThreshold: 2 });
      const instance = await start([serving({ readiness, startup: LISTENS })]);
      await trial.runIn(instance, `touch ${file}`);
      await expect.poll(() => told.get(instance.id)?.at(-1)?.isReady, WAIT).toBe(false);
      await trial.runIn(instance, `rm ${file}`);
      await expect.poll(() => told.get(instance.id)?.at(-1)?.isReady, WAIT).toBe(true);
      await instance.stop(0);
    });

    it('R6 ends what is not alive any more, as a crash that says why', async () => {
      const file = mark();
      const action = { kind: 'exec', command: ['sh', '-c', `! test -e ${file}`] } as const;
      const instance = await start([
        serving({ startup: LISTENS, liveness: aProbe(action, { periodMs: 50, failureThreshold: 2 }) }),
      ]);
      await trial.runIn(instance, `touch ${file}`);
      expect(await instance.ended).toMatchObject({
        wasAsked: false,
        reason: expect.stringMatching(/^Liveness probe failed/),
      });
    });

    it('asks the http probe of a container as kubelet does', async () => {
      const action = { kind: 'http', port: undefined, path: '/', headers: {}, isTls: false } as const;
      const instance = await start([serving({ readiness: aProbe(action) })]);
      expect(await ask(instance)).toBe('ok');
      await instance.stop(0);
    });

    it('stop() lets a container come to its end by SIGTERM, with the code that it chooses', async () => {
      const line = "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done";
      const instance = await start([aContainer({ isServing: true, ...trial.shell(line) })]);
      await expect.poll(() => printed.get(instance.id), WAIT).toBe('up\n');
      await instance.stop(15_000);
      expect(await instance.ended).toMatchObject({ exitCode: 7, wasAsked: true });
    });

    it('stop() may be called again, with less grace, and is then as short as that', async () => {
      const line = "trap '' TERM; echo up; while :; do sleep 0.05; done";
      const instance = await start([aContainer({ isServing: true, ...trial.shell(line) })]);
      await expect.poll(() => printed.get(instance.id), WAIT).toBe('up\n');
      const first = instance.stop(600_000);
      await instance.stop(50);
      await first;
      expect(await instance.ended).toMatchObject({ wasAsked: true });
      await instance.stop(0);
    });

    it('ends one that wants more memory than it may have, and says so', async ({ skip }) => {
      const limits = { memoryBytes: 48 * 1024 * 1024, milliCpus: undefined };
      const hog = serving({
        ...trial.shell('echo greedy; x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done'),
        limits,
      });
      const unmet = trial.runtime.unmet({
        ...revisionPlan('trial', '/', hog.launch).instance,
        containers: [hog],
      });
      const [reason] = unmet;
      skip(reason !== undefined, reason?.message);
      await expect(start([hog])).rejects.toMatchObject({ message: expect.stringMatching(/OOMKilled/) });
    });

    it('mounts files of volumes, and follows their changes, and keeps what is in an empty one over a crash (R5)', async ({
      skip,
    }) => {
      const id = mark().slice('/tmp/'.length);
      const content = Buffer.from('sesame');
      const volumes: InstanceSpec['volumes'] = [
        { kind: 'files', name: 'keys', files: [{ path: 'token', content, mode: 0o644 }] },
        { kind: 'empty', name: 'scratch', isMemory: false, bytesMax: undefined },
      ];
      const at = (volume: string, path: string, isReadOnly: boolean) => ({
        volume,
        path,
        subPath: '',
        isReadOnly,
      });
      const mounts = [at('keys', '/trial-keys', true), at('scratch', '/trial-scratch', false)];
      const unmet = trial.runtime.unmet({
        ...revisionPlan('trial', '/', serving().launch).instance,
        containers: [serving({ mounts })],
        volumes,
      });
      const refused = unmet.find(({ kind }) => kind === 'refused');
      skip(refused !== undefined, refused?.message);
      const instance = await start([serving({ mounts })], { volumes }, id);
      expect(await trial.runIn(instance, 'cat /trial-keys/token; echo kept > /trial-scratch/it')).toBe(
        'sesame',
      );
      expect(await trial.runIn(instance, 'touch /trial-keys/x 2>&1')).toMatch(/Read-only file system/);
      void trial.crash(instance).catch(() => undefined);
      await instance.ended;
      const again = await start([serving({ mounts })], { volumes }, id);
      expect(await trial.runIn(again, 'cat /trial-scratch/it')).toBe('kept\n');
      const { instance: plan } = revisionPlan('trial', '/', serving().launch);
      const files = [{ path: 'token', content: Buffer.from('changed'), mode: 0o644 }];
      const changed = volumes.map((each) => (each.kind === 'files' ? { ...each, files } : each));
      again.refresh({ ...plan, containers: [serving({ mounts })], volumes: changed });
      await expect.poll(() => trial.runIn(again, 'cat /trial-keys/token'), WAIT).toBe('changed');
      await again.stop(0);
    });

    it('tells what an instance uses, and nothing once it is gone', async () => {
      const instance = await start([serving()]);
      expect(await instance.usage?.()).toMatchObject({
        memoryBytes: expect.toSatisfy((bytes: number) => bytes > 0),
      });
      await trial.runIn(instance, 'i=0; while test $i -lt 100000; do i=$((i+1)); done');
      const cpuSeconds = async (): Promise<number> => (await instance.usage?.())?.cpuSeconds ?? 0;
      await expect.poll(cpuSeconds, WAIT).toBeGreaterThan(0.02);
      await instance.stop(0);
      await expect.poll(() => instance.usage?.(), WAIT).toBeUndefined();
    });

    it('A1 runs a command beside a container, with its variables, its input, and two outputs apart', async () => {
      const instance = await start([serving({ env: { COLOR: 'blue' } })]);
      const line = 'read word; echo "$COLOR $word $K_SERVICE"; echo wrong >&2; exit 7';
      const command = await trial.runtime
        .reach(instance.id)
        ?.exec('user-container', ['sh', '-c', line], false);
      expect(await finished(command, 'sky\n')).toEqual({
        code: 7,
        stdout: 'blue sky trial\n',
        stderr: 'wrong\n',
      });
      await instance.stop(0);
    });

    it('A1 a command ends when it is told to, and with its container', async () => {
      const instance = await start([serving()]);
      const begin = () =>
        trial.runtime.reach(instance.id)?.exec('user-container', ['sh', '-c', 'sleep 300'], false);
      const [first, second] = [await begin(), await begin()];
      first?.kill();
      expect((await finished(first)).code).not.toBe(0);
      await instance.stop(0);
      expect((await finished(second)).code).not.toBe(0);
      expect(trial.runtime.reach(instance.id)).toBeUndefined();
    });

    it('A1 opens a connection to the port that its manifest names, and tells of one where nothing listens', async () => {
      const instance = await start([serving({ containerPort: 8181 })]);
      expect(await askThrough(trial.runtime, instance.id, 8181)).toBe('ok');
      const reached = trial.runtime.reach(instance.id);
      expect(await reached?.open(9)).toMatchObject({ listening: expect.any(Array) });
      await instance.stop(0);
    });

    // The last one: nothing starts any more.
    it('R3 close() ends every instance, twice is as good as once, and nothing starts afterwards', async () => {
      const instance = await start([serving()]);
      await trial.runtime.close();
      await trial.runtime.close();
      expect(await instance.ended).toMatchObject({ wasAsked: true });
      expect(await isAnswering(instance)).toBe(false);
      await expect.poll(trial.running, WAIT).toBe(0);
      await expect(start([serving()])).rejects.toMatchObject({ code: 'RUNTIME_CLOSED' });
    });
  });
}
