import { readlinkSync } from 'node:fs';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import { afterAll, describe, expect, it } from 'vitest';
import { Networks } from '../../../src/serving/runtime/process/network/networks.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { InstanceSpec } from '../../../src/serving/runtime/runtime.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { askOf } from '../../kit/local-runtime.ts';
import { aContainer, aProbe, revisionPlan, TCP } from '../../kit/small-platform.ts';

const { why } = new Networks({ token: 'trial', onSpawn: () => undefined });
const logs = { write: () => undefined };
const runtime = ProcessRuntime.open({ folder: temporaryFolder('idle'), warm: 0, logs, routes: () => [] });
afterAll(() => runtime.close());

/** As a Go program that leaves the error of ListenAndServe unread: it goes on, and says nothing. */
const silent = (port: number): string =>
  `setInterval(() => 0, 1e6); require('node:http').createServer((q, r) => r.end('here')).on('error', () => 0).listen(${port})`;

/** Of a program: whether it has the network of the machine. */
const HAS_HOST = `require('node:fs').readlinkSync('/proc/self/ns/net') === '${readlinkSync('/proc/self/ns/net')}'`;

function specOf(name: string, containerPort: number, code: string): InstanceSpec {
  const { instance } = revisionPlan(name, '/', { kind: 'program', command: [] });
  const launch = { kind: 'program', command: ['node', '-e', code] } as const;
  const container = aContainer({ isServing: true, readiness: aProbe(TCP), containerPort, launch });
  return { ...instance, containers: [container], network: undefined };
}

async function taken(): Promise<{ server: Server; port: number }> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

describe.skipIf(why !== undefined)(
  `a program whose port another has${why ? ` (no network of its own here: ${why})` : ''}`,
  () => {
    it.concurrent('and that neither says so nor ends is given a network of its own', async () => {
      const { server, port } = await taken();
      const instance = await runtime.start(specOf('silent', port, silent(port)), 'silent-1');
      server.close();
      expect(await askOf(instance, '/')).toBe('here');
      expect(readlinkSync(`/proc/${instance.pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
      await instance.stop(0);
    });

    it.concurrent('stays on that of the machine while it is at work, however long that takes', async () => {
      const { server, port } = await taken();
      const code = `const end = Date.now() + 3000; while (Date.now() < end); require('node:http').createServer((q, r) => r.end('late')).listen(process.env.PORT)`;
      const instance = await runtime.start(specOf('busy', port, code), 'busy-1');
      server.close();
      expect(await askOf(instance, '/')).toBe('late');
      expect(readlinkSync(`/proc/${instance.pid}/ns/net`)).toBe(readlinkSync('/proc/self/ns/net'));
      await instance.stop(0);
    });

    it.concurrent('is given one when the other has left before anybody looked', async () => {
      const { server, port } = await taken();
      server.close();
      const code = `if (${HAS_HOST}) setInterval(() => 0, 1e6); else ${silent(port)}`;
      const instance = await runtime.start(specOf('late', port, code), 'late-1');
      expect(await askOf(instance, '/')).toBe('here');
      await instance.stop(0);
    });

    it.concurrent('is given that of the machine again when it does not come up in its own', async () => {
      const { server, port } = await taken();
      const code = `setTimeout(() => { if (${HAS_HOST}) require('node:http').createServer((q, r) => r.end('back')).listen(process.env.PORT); }, 2500); setInterval(() => 0, 1e6)`;
      const spec = { ...specOf('waits', port, code), readyTimeoutMs: 4000 };
      const instance = await runtime.start(spec, 'waits-1');
      server.close();
      expect(await askOf(instance, '/')).toBe('back');
      await instance.stop(0);
    });
  },
);
