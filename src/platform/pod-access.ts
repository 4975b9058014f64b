import { connect as connectTo, type Socket } from 'node:net';
import type { PodAccess, PodContainer } from '../apiserver/streaming/pod-access.ts';
import { PlatformError } from '../base/errors.ts';
import { hasTerminals } from '../serving/runtime/process/exec.ts';
import type { LocalInstance } from '../serving/runtime/process/local-instance.ts';
import { listeningPorts } from '../serving/runtime/process/ports.ts';
import type { ProcessRuntime } from '../serving/runtime/process/process-runtime.ts';
import { mainContainer } from '../serving/runtime/runtime.ts';

type Pod = Omit<PodContainer, 'container'>;

const CONNECT_TIMEOUT_MS = 10_000;
/** Where a manifest names none (serving, the runtime contract). */
const USUAL_PORT = 8080;

/** `kubectl exec` and `kubectl port-forward` into the instances of this machine. */
export function podAccess(runtime: Pick<ProcessRuntime, 'instanceOf' | 'exec'>): PodAccess {
  return {
    exec(pod, command, hasTerminal) {
      const { container } = pod;
      if (container === 'queue-proxy')
        throw refused(
          'queue-proxy is no process: it stands for the gateway; choose another container with -c',
        );
      if (hasTerminal && !hasTerminals)
        throw refused('a terminal (-t) needs script, of util-linux, on this machine; do without -t');
      const { spec, runs } = instanceOf(runtime, pod);
      const name = container ?? mainContainer(spec).name;
      const known = [...spec.containers, ...spec.initContainers].map((each) => each.name);
      if (!known.includes(name)) throw refused(`container ${name} is not valid for pod ${pod.name}`);
      const run = runs.find((each) => each.spec.name === name);
      const process = run && runtime.exec(run, command, hasTerminal);
      if (process !== undefined) return process;
      throw refused(`container ${name} of pod ${pod.name} does not run now; kubectl logs tells why`);
    },

    async connect(pod, port) {
      const instance = instanceOf(runtime, pod);
      const main = mainContainer(instance.spec);
      if (main.isServing && port === (main.containerPort ?? USUAL_PORT)) return opened(instance.port);
      const ports = instance.runs.flatMap(({ begun }) => (begun ? listeningPorts(begun.child.pid) : []));
      if (ports.includes(port)) return opened((await instance.runs[0]?.portFor(port)) ?? port);
      const other = ports.length === 0 ? 'nothing of it listens' : `it listens on ${ports.join(', ')}`;
      throw refused(`connect: connection refused: nothing of the pod listens on ${port}; ${other}`);
    },
  };
}

function instanceOf(runtime: Pick<ProcessRuntime, 'instanceOf'>, { namespace, name }: Pod): LocalInstance {
  const instance = runtime.instanceOf(name);
  if (instance?.spec.namespace === namespace) return instance;
  throw refused(
    `pod ${namespace}/${name} has no process of its own here: it has ended, stands for the platform itself, or is a container of an engine (docker exec and podman exec enter that)`,
  );
}

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTo({ host: '127.0.0.1', port, allowHalfOpen: true });
    const fail = (why: string): void => {
      socket.destroy();
      reject(refused(why));
    };
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => fail(`no connection within ${CONNECT_TIMEOUT_MS} ms`));
    socket.once('error', ({ message }) => fail(message));
    socket.once('connect', () => {
      socket.setTimeout(0).removeAllListeners('timeout');
      resolve(socket);
    });
  });
}

const refused = (message: string): PlatformError =>
  new PlatformError('POD_NOT_REACHED', message, { retryable: false });
