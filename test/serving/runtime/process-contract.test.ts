import type { ContainerSpec } from '../../../src/serving/runtime/container-spec.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import { runtimeContract } from '../../contracts/runtime.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { askOf, runIn, SERVER } from '../../kit/local-runtime.ts';

const launch = (command: readonly string[]): Partial<ContainerSpec> => ({
  launch: { kind: 'program', command },
});

runtimeContract('the process runtime', async (logs) => {
  const folder = temporaryFolder('contract');
  const runtime = ProcessRuntime.open({ folder, warm: 0, logs, routes: () => [] });
  return {
    runtime,
    server: (before = ':') => launch(['sh', '-c', `${before}; exec node -e "$0"`, SERVER]),
    shell: (line) => launch(['sh', '-c', line]),
    runIn,
    crash: (instance) => askOf(instance, '/exit?3'),
    running: async () => runtime.pids.length,
    release: () => runtime.close(),
  };
});
