import { execFile } from 'node:child_process';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { unreachable } from '../../../../base/errors.ts';
import type { ProbeAction } from '../../container-spec.ts';
import { accepts } from './accepts.ts';
import { checkHealth } from './grpc-health.ts';

/** Where a probe asks, and as what it runs. */
export type ProbeTarget = {
  /** The port of an action that names none. */
  readonly port: number;
  /** Of one that has a network of its own, where ports cannot be reached from here. */
  readonly inside?: {
    readonly accepts: (port: number | undefined, timeoutMs: number) => Promise<string | undefined>;
    /** A port of this machine that leads to one of that network. */
    readonly doorTo: (port: number) => Promise<number>;
  };
  /** Runs a command where no process of this machine can; as `ask` does. */
  readonly run?: (command: readonly string[], timeoutMs: number) => Promise<string | undefined>;
  /** How a command is run where its container runs. */
  readonly exec: (command: readonly string[]) => {
    readonly file: string;
    readonly args: readonly string[];
    readonly cwd: string;
    readonly env: Readonly<Record<string, string>>;
  };
};

const HOST = '127.0.0.1';
/** kubelet's; functions tell probes from requests by it (networking pkg/http/header). */
const USER_AGENT = 'kube-probe/1.34';

/** One question; resolves with undefined when it was answered well, else with why not; never rejects. */
export async function ask(
  action: ProbeAction,
  timeoutMs: number,
  target: ProbeTarget,
): Promise<string | undefined> {
  switch (action.kind) {
    case 'tcp':
      // What leads inside accepts whether or not anything does there.
      return target.inside?.accepts(action.port, timeoutMs) ?? accepts(action.port ?? target.port, timeoutMs);
    case 'http':
      return answersWell(action, await portOf(action, target), timeoutMs);
    case 'exec':
      return target.run?.(action.command, timeoutMs) ?? exitsWell(action.command, timeoutMs, target);
    case 'grpc':
      return checkHealth(HOST, await portOf(action, target), action.service, timeoutMs);
    default:
      return unreachable(action);
  }
}

async function portOf({ port }: { readonly port: number | undefined }, target: ProbeTarget): Promise<number> {
  return port === undefined ? target.port : (target.inside?.doorTo(port) ?? port);
}

/** Whether a GET is answered with 200 to 399 (Kubernetes, httpGet); what its certificate says is not asked. */
function answersWell(
  { path, headers, isTls }: Extract<ProbeAction, { kind: 'http' }>,
  port: number,
  timeoutMs: number,
): Promise<string | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const all = { 'user-agent': USER_AGENT, accept: '*/*', connection: 'close', ...lowercased(headers) };
    const options = { port, host: HOST, path, headers: all, signal, agent: false, rejectUnauthorized: false };
    const outgoing = (isTls ? requestHttps : requestHttp)(options, ({ statusCode = 500 }) => {
      resolve(
        statusCode >= 200 && statusCode < 400
          ? undefined
          : `HTTP probe failed with statuscode: ${statusCode}`,
      );
      outgoing.destroy(); // whatever its body says
    });
    outgoing.on('error', ({ message }) =>
      resolve(signal.aborted ? `no answer within ${timeoutMs} ms` : message),
    );
    outgoing.end();
  });
}

const lowercased = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

/** Whether a command ends with 0, run where and as the container's own. */
function exitsWell(
  command: readonly string[],
  timeoutMs: number,
  { exec }: ProbeTarget,
): Promise<string | undefined> {
  const { file, args, cwd, env } = exec(command);
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL', cwd, env, maxBuffer: 64 * 1024 } as const;
    execFile(file, args, options, (error, stdout, stderr) => {
      resolve(error === null ? undefined : `${stderr || stdout || error.message}`.trim().slice(0, 1024));
    });
  });
}
