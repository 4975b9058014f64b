import { setTimeout as pause } from 'node:timers/promises';
import { execFile } from 'node:child_process';
import { request } from 'node:http';
import type { InstanceSpec, ReadinessProbe } from '../runtime.ts';
import { Child } from './child.ts';
import { accepts, listeningPorts } from './ports.ts';
import { failed } from './runner-child.ts';

/** Tried every millisecond at first, when most programs come up, then ever more slowly. */
const FAST_FOR_MS = 300;
const SLOW_EVERY_MS = 25;
/** A program that has listened elsewhere for so long is not going to listen where it was told to. */
const WRONG_PORT_AFTER_MS = 3000;
const PROBE_TIMEOUT_MS = 1000;

/** Spawns a program with the Knative runtime contract; resolves when it is ready (X4), rejects as R2 says. */
export async function startProgram(
  spec: InstanceSpec,
  command: readonly [string, ...string[]],
  port: number,
  token: string,
  onSpawn: (child: Child) => void,
): Promise<Child> {
  const portText = String(port);
  const env = { ...spec.env, PORT: portText, FUNC_PORT: portText, LISTEN_ADDRESS: `127.0.0.1:${port}` };
  const child = new Child({ command, env, cwd: spec.workingDir ?? spec.directory, hasIpc: false, token });
  onSpawn(child);
  const isOver = { value: false };
  const ended = child.ended.then(({ exitCode, reason }) => {
    throw failed(`ExitCode${exitCode ?? 0}`, reason);
  });
  try {
    await Promise.race([ended, untilReady(spec, child, port, isOver)]);
  } catch (error) {
    await child.stop(0);
    throw error;
  } finally {
    isOver.value = true;
  }
  ended.catch(() => undefined); // from here on its end is the activator's to see
  return child;
}

async function untilReady(
  spec: InstanceSpec,
  child: Child,
  port: number,
  isOver: { readonly value: boolean },
): Promise<void> {
  const startMs = Date.now();
  while (!isOver.value) {
    const waitedMs = Date.now() - startMs;
    if (waitedMs > spec.readyTimeoutMs) throw tooLate(spec, child);
    if (await isReady(spec.probe, port, child)) return;
    if (waitedMs > WRONG_PORT_AFTER_MS && spec.probe.kind !== 'exec') refuseOtherPort(child, port);
    await pause(waitedMs < FAST_FOR_MS ? 1 : SLOW_EVERY_MS);
  }
}

async function isReady(probe: ReadinessProbe, port: number, child: Child): Promise<boolean> {
  switch (probe.kind) {
    case 'tcp':
      return accepts(port);
    case 'http':
      return answersWell(port, probe.path, probe.headers);
    case 'exec':
      return exitsWell(probe.command, child);
  }
}

function answersWell(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(
      { port, host: '127.0.0.1', path, headers, timeout: PROBE_TIMEOUT_MS, agent: false },
      (response) => {
        response.resume();
        resolve((response.statusCode ?? 500) < 400 && (response.statusCode ?? 0) >= 200);
      },
    );
    outgoing.on('timeout', () => outgoing.destroy());
    outgoing.on('error', () => resolve(false));
    outgoing.end();
  });
}

function exitsWell(command: readonly string[], child: Child): Promise<boolean> {
  const [file = 'false', ...args] = command;
  return new Promise((resolve) => {
    execFile(file, args, { timeout: PROBE_TIMEOUT_MS, cwd: `/proc/${child.pid}/cwd` }, (error) =>
      resolve(error === null),
    );
  });
}

function refuseOtherPort(child: Child, port: number): void {
  const other = listeningPorts(child.pid).find((each) => each !== port);
  if (other === undefined || listeningPorts(child.pid).includes(port)) return;
  throw failed(
    'PortNotOpened',
    `the program listens on port ${other}, not on the one it was given in PORT (${port}); let it listen on process.env.PORT, $PORT or the like`,
  );
}

function tooLate({ probe, readyTimeoutMs }: InstanceSpec, child: Child): Error {
  const printed = child.lastLines === '' ? '' : `; it printed last:\n${child.lastLines}`;
  return probe.kind === 'tcp'
    ? failed('PortNotOpened', `nothing listened on the port in PORT within ${readyTimeoutMs} ms${printed}`)
    : failed(
        'ProbeFailed',
        `the ${probe.kind} readiness probe did not succeed within ${readyTimeoutMs} ms${printed}`,
      );
}
