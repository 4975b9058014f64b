import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { unreachable } from '../../../base/errors.ts';
import type { ContainerSpec, ProbeAction } from '../container-spec.ts';
import { Child, environment, failed, failedBy } from './child.ts';
import { listeningPorts } from './ports.ts';
import { accepts, answersWell, exitsWell } from './probe.ts';

/** Tried every millisecond at first, when most programs come up, then ever more slowly. */
const FAST_FOR_MS = 300;
const SLOW_EVERY_MS = 25;
/** How often to look, and how long a program may listen elsewhere first before that is taken for its mistake. */
const LOOK_EVERY_MS = 500;
const WRONG_PORT_FOR_MS = 3000;

/** Spawns a program that is to listen on `port`, which its `env` tells it; resolves when it is ready (X4), rejects as R2 says. */
export async function startProgram(
  spec: ContainerSpec,
  command: readonly string[],
  port: number,
  readyTimeoutMs: number,
  token: string,
  onSpawn: (child: Child) => void,
): Promise<Child> {
  const { env, directory } = spec;
  const cwd = workingDirOf(spec);
  const child = new Child({ command: located(command, directory, cwd), env, cwd, hasIpc: false, token });
  onSpawn(child);
  const over = new AbortController();
  try {
    const ended = child.ended.then((how) => {
      throw failedBy(how);
    });
    await Promise.race([ended, untilReady(spec, child, port, cwd, readyTimeoutMs, over.signal)]);
    ended.catch(() => undefined); // from here on its end is the activator's to see
    return child;
  } catch (error) {
    await child.stop(0);
    throw error;
  } finally {
    over.abort();
  }
}

/** Where it starts: `workingDir` is a path of the image, or, when the image has none such, of this machine. */
export function workingDirOf({
  directory,
  workingDir,
}: Pick<ContainerSpec, 'directory' | 'workingDir'>): string {
  if (workingDir === undefined || workingDir === '') return directory;
  const found = [join(directory, workingDir), workingDir].find(
    (path) => isAbsolute(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true,
  );
  if (found !== undefined) return found;
  throw failed('ContainerCannotRun', `workingDir ${workingDir} is no folder of the image or of this machine`);
}

/** `command[0]` is looked for in the working directory, in the image, and then as it stands, on PATH or as a path. */
function located(
  [file = '', ...args]: readonly string[],
  directory: string,
  cwd: string,
): [string, ...string[]] {
  const inImage = [join(cwd, file), join(directory, file)];
  const candidates = file.startsWith('./') || !isAbsolute(file) ? inImage : [join(directory, file)];
  return [candidates.find(isExecutable) ?? file, ...args];
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

async function untilReady(
  spec: ContainerSpec,
  child: Child,
  port: number,
  cwd: string,
  readyTimeoutMs: number,
  over: AbortSignal,
): Promise<void> {
  const startMs = performance.now();
  let lookedMs = 0;
  let elsewhereMs: number | undefined;
  while (!over.aborted) {
    const waitedMs = performance.now() - startMs;
    if (waitedMs > readyTimeoutMs) throw tooLate(spec, readyTimeoutMs, child);
    if (await isReady(spec, port, cwd)) return;
    if (spec.readiness?.action.kind !== 'exec' && waitedMs > lookedMs + LOOK_EVERY_MS) {
      lookedMs = waitedMs;
      const other = otherPort(child, port);
      elsewhereMs = other === undefined ? undefined : (elsewhereMs ?? waitedMs);
      if (other !== undefined && waitedMs - (elsewhereMs ?? waitedMs) >= WRONG_PORT_FOR_MS)
        throw wrongPort(other, port);
    }
    await pause(waitedMs < FAST_FOR_MS ? 1 : SLOW_EVERY_MS);
  }
}

async function isReady({ readiness, env }: ContainerSpec, port: number, cwd: string): Promise<boolean> {
  const action = readiness?.action;
  switch (action?.kind) {
    case undefined:
      return true;
    case 'tcp':
      return accepts(action.port ?? port);
    case 'http':
      return answersWell(action.port ?? port, action.path, action.headers);
    case 'exec':
      return exitsWell(action.command, cwd, { ...environment(), ...env });
    case 'grpc':
      return false;
    default:
      return unreachable(action);
  }
}

/** A port that the program listens on, while it does not listen on the one that it was given. */
function otherPort(child: Child, port: number): number | undefined {
  const ports = listeningPorts(child.pid);
  return ports.includes(port) ? undefined : ports[0];
}

function wrongPort(other: number, port: number): Error {
  return failed(
    'PortNotOpened',
    `the program listens on port ${other}, not on the one it was given in PORT (${port}); let it listen on process.env.PORT, $PORT or the like`,
  );
}

const NOT_DONE: Readonly<Record<ProbeAction['kind'] | 'none', string>> = {
  tcp: 'nothing listened on the port in PORT',
  http: 'the http readiness probe did not succeed',
  exec: 'the exec readiness probe did not succeed',
  grpc: 'the grpc readiness probe did not succeed',
  none: 'it did not run',
};

function tooLate({ readiness }: ContainerSpec, readyTimeoutMs: number, { output }: Child): Error {
  const kind = readiness?.action.kind ?? 'none';
  const code = kind === 'tcp' ? 'PortNotOpened' : 'ProbeFailed';
  return failed(code, `${NOT_DONE[kind]} within ${readyTimeoutMs} ms${output.said}`);
}
