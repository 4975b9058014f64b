import { chmodSync, existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Cgroups } from '../../../src/serving/runtime/process/isolation/cgroups.ts';
import { folderWith } from '../../kit/folders.ts';
import { openLocalRuntime, runIn, serving, SERVER } from '../../kit/local-runtime.ts';
import { aContainer, aProbe } from '../../kit/small-platform.ts';

const isRoot = process.getuid?.() === 0 && existsSync('/usr/bin/unshare');
const cgroups = new Cgroups({ name: 'trial' });
const isBounded = cgroups.why('memory') === undefined && cgroups.why('cpu') === undefined;
const { start, printed } = openLocalRuntime();
const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

describe.skipIf(!isRoot)('a program finds around it, as in a container,', () => {
  it('no console, but the devices that each program has', async () => {
    const instance = await start([serving()]);
    const devices = 'fd full null ptmx random stdin stdout stderr tty urandom zero';
    expect(await runIn(instance, `cd /dev; ls -d ${devices} shm pts | wc -l; ls console`)).toMatch(
      /^exit 2: 13\n.*No such file/s,
    );
    await instance.stop(0);
  });

  it('the settings of the kernel and its control groups to be read, not to be written', async () => {
    const instance = await start([serving()]);
    expect(await runIn(instance, 'cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness')).toMatch(
      /Read-only file system/,
    );
    expect(await runIn(instance, 'mkdir /sys/fs/cgroup/mine')).toMatch(/Read-only file system/);
    await instance.stop(0);
  });

  it.skipIf(!isBounded)('its own limits and requests where programs look for them', async () => {
    const limits = { memoryBytes: 128 * 1024 * 1024, milliCpus: 1000, milliCpusRequested: 125 };
    const instance = await start([serving({ limits })]);
    const [files, said] = isV2
      ? ['memory.max cpu.max cpu.weight', '134217728\n100000 100000\n5\n']
      : ['memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us cpu/cpu.shares', '134217728\n100000\n128\n'];
    expect(await runIn(instance, `cd /sys/fs/cgroup; cat ${files}`)).toBe(said);
    expect(await runIn(instance, 'mkdir /sys/fs/cgroup/memory/mine /sys/fs/cgroup/mine')).toMatch(
      /Read-only file system/,
    );
    await instance.stop(0);
  });

  it('its image at the path by which its command names it, and so do its probes', async () => {
    const directory = folderWith('image', {
      'opt-here/bin/serve': `#!/bin/sh\necho "started as $0 $*"\nexec node -e "$SERVER"\n`,
      'opt-here/greeting': 'from the image',
    });
    chmodSync(join(directory, 'opt-here/bin/serve'), 0o755);
    const instance = await start([
      serving({
        directory,
        env: { SERVER },
        launch: { kind: 'program', command: ['/opt-here/bin/serve', 'abra'] },
        readiness: aProbe({ kind: 'exec', command: ['test', '-x', '/opt-here/bin/serve'] }),
        startup: aProbe({ kind: 'tcp', port: undefined }, { periodMs: 50, failureThreshold: 100 }),
      }),
    ]);
    expect(printed.get(instance.id)).toBe('started as /opt-here/bin/serve abra\n');
    expect(await runIn(instance, 'cat /opt-here/greeting; touch /opt-here/mine')).toMatch(
      /^exit 1: from the image.*Read-only file system/s,
    );
    expect(existsSync('/opt-here')).toBe(false);
    await instance.stop(0);
  });
});

describe('a program', () => {
  it('can open what it prints to by its name in /dev', async () => {
    const line = 'echo to the one > /dev/stdout; echo to the other > /dev/stderr';
    const [out, err] = [/to the one\n/, /to the other\n/];
    const instance = await start([
      serving({ launch: { kind: 'program', command: ['sh', '-c', `${line}; exec node -e "$0"`, SERVER] } }),
    ]);
    await expect.poll(() => printed.get(instance.id)).toMatch(out);
    await expect.poll(() => printed.get(instance.id)).toMatch(err);
    await instance.stop(0);
  });

  it('runs a probe that its image holds', async () => {
    const directory = folderWith('image', { 'checks/probe': '#!/bin/sh\ntest "$1" = well\n' });
    chmodSync(join(directory, 'checks/probe'), 0o755);
    const readiness = aProbe({ kind: 'exec', command: ['/checks/probe', 'well'] });
    const instance = await start([serving({ directory, readiness })]);
    await instance.stop(0);
  });

  it('has in PORT the port of its manifest while that is free on the machine, and any other when not', async () => {
    const before = createServer().listen(0);
    const { port } = before.address() as AddressInfo;
    const told = 'cat /proc/$PPID/environ | tr "\\0" "\\n" | grep ^PORT=';
    const taken = await start([serving({ containerPort: port })]);
    expect(await runIn(taken, told)).not.toBe(`PORT=${port}\n`);
    await new Promise((resolve) => before.close(resolve));
    const both = [
      await start([serving({ containerPort: port })]),
      await start([serving({ containerPort: port })]),
    ];
    const [first, second] = both.map((instance) => instance.port);
    expect([first, second === port]).toEqual([port, false]);
    await Promise.all([taken, ...both].map((instance) => instance.stop(0)));
    const again = await start([serving({ containerPort: port })]);
    expect(again.port).toBe(port);
    await again.stop(0);
  });

  it('leaves the ports of the machine’s own services alone, whatever its manifest says', async () => {
    const side = aContainer({ name: 'side', launch: { kind: 'program', command: ['sleep', '100'] } });
    const instance = await start([serving({ containerPort: 81 }), side]);
    expect(instance.port).toBeGreaterThan(1024);
    await instance.stop(0);
  });
});
