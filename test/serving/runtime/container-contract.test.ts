import type { ContainerSpec } from '../../../src/serving/runtime/container-spec.ts';
import { ContainerRuntime } from '../../../src/serving/runtime/container/container-runtime.ts';
import { OWNER } from '../../../src/serving/runtime/container/create-body.ts';
import { Engine } from '../../../src/serving/runtime/container/engine.ts';
import { runtimeContract } from '../../contracts/runtime.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { runIn, SERVE } from '../../kit/container-runtime.ts';
import { podmanServer, TOOLS_IMAGE } from '../../servers/podman.ts';
import { sharedServer } from '../../servers/shared.ts';

const podman = await sharedServer(podmanServer);

const shell = (line: string): Partial<ContainerSpec> => ({
  image: TOOLS_IMAGE,
  launch: { kind: 'container', command: ['sh', '-c', line], args: undefined },
});

runtimeContract(
  'the container runtime',
  async (logs) => {
    const engine = new Engine(podman.kind === 'running' ? podman.address : '');
    const folder = temporaryFolder('containers');
    const runtime = new ContainerRuntime({ engine, folder, logs });
    const watching = new Engine(engine.socket);
    const filters = encodeURIComponent(JSON.stringify({ label: [`${OWNER}=${folder}`] }));
    return {
      runtime,
      server: (before = ':') => shell(`${before}; ${SERVE}`),
      shell,
      runIn,
      crash: (instance) => runIn(instance, 'touch /tmp/crash'),
      running: async () => {
        const { body } = await watching.ask('GET', `/containers/json?all=1&filters=${filters}`);
        return (body as readonly unknown[]).length;
      },
      release: () => Promise.all([runtime.close(), watching.close()]).then(() => undefined),
    };
  },
  podman.kind === 'missing' ? podman.reason : undefined,
);
