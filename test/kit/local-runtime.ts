import { request } from 'undici';
import { afterAll } from 'vitest';
import type { ContainerSpec } from '../../src/serving/runtime/container-spec.ts';
import type { ContainerStatus, InstanceStatus } from '../../src/serving/runtime/instance-status.ts';
import { ProcessRuntime } from '../../src/serving/runtime/process/process-runtime.ts';
import type { Instance, InstanceSpec } from '../../src/serving/runtime/runtime.ts';
import { temporaryFolder } from './folders.ts';
import { aContainer, aProbe, revisionPlan, TCP } from './small-platform.ts';

/** Answers with what a test asks of its surroundings: `/run?<shell line>` runs it, `/fail` and `/well` turn its health. */
export const SERVER = `
  const { createServer } = require('node:http');
  const { execFileSync } = require('node:child_process');
  let isWell = process.env.ILL === undefined;
  createServer(({ url, headers }, response) => {
    const [path, query = ''] = url.split('?');
    if (path === '/exit') process.exit(Number(query));
    if (path === '/fail' || path === '/well') isWell = path === '/well';
    if (path === '/headers') return response.end(JSON.stringify(headers));
    if (path === '/healthz') return response.writeHead(isWell ? 200 : 503).end(JSON.stringify(headers));
    if (path !== '/run') return response.end('ok');
    try {
      response.end(execFileSync('sh', ['-c', '(' + decodeURIComponent(query) + ') 2>&1']));
    } catch (error) {
      response.end('exit ' + error.status + ': ' + error.stdout);
    }
  }).listen(Number(process.env.AT ?? process.env.PORT), '127.0.0.1');`;

export const serving = (more: Partial<ContainerSpec> = {}): ContainerSpec =>
  aContainer({
    isServing: true,
    readiness: aProbe(TCP),
    launch: { kind: 'program', command: ['node', '-e', SERVER] },
    ...more,
  });

export type Local = {
  readonly runtime: ProcessRuntime;
  /** Starts an instance of these containers; what is told of it is in `told`. */
  readonly start: (
    containers: readonly ContainerSpec[],
    more?: Partial<InstanceSpec>,
    id?: string,
  ) => Promise<Instance>;
  readonly told: Map<string, InstanceStatus>;
  readonly printed: Map<string, string>;
  readonly statusOf: (id: string, container: string) => ContainerStatus | undefined;
};

/** A process runtime that goes with the test file. */
export function openLocalRuntime(warm = 0): Local {
  const [told, printed] = [new Map<string, InstanceStatus>(), new Map<string, string>()];
  const runtime = ProcessRuntime.open({
    folder: temporaryFolder('local'),
    warm,
    logs: { write: (id, _, chunk) => printed.set(id, `${printed.get(id) ?? ''}${chunk.toString()}`) },
    routes: () => [],
  });
  afterAll(() => runtime.close());
  let last = 0;
  return {
    runtime,
    told,
    printed,
    start: (containers, more = {}, id = `i-${(last += 1)}`) => {
      const { instance } = revisionPlan('f', '/', { kind: 'program', command: [] });
      return runtime.start({ ...instance, containers, ...more }, id, (status) => told.set(id, status));
    },
    statusOf: (id, container) => {
      const { containers = [], initContainers = [] } = told.get(id) ?? {};
      return [...initContainers, ...containers].find(({ name }) => name === container);
    },
  };
}

/** What an instance answers. */
export async function askOf({ port }: Instance, path: string): Promise<string> {
  return (await request(`http://127.0.0.1:${port}${path}`)).body.text();
}

/** What a shell line prints where an instance runs. */
export const runIn = (instance: Instance, line: string): Promise<string> =>
  askOf(instance, `/run?${encodeURIComponent(line)}`);
