import type { PodAccess, PodContainer } from '../apiserver/streaming/pod-access.ts';
import { PlatformError } from '../base/errors.ts';
import type { Reach, Reached } from '../serving/runtime/reach.ts';
import { mainContainer } from '../serving/runtime/runtime.ts';

type Pod = Omit<PodContainer, 'container'>;

/** `kubectl exec` and `kubectl port-forward` into the instances of this machine. */
export function podAccess(runtime: Reach): PodAccess {
  return {
    async exec(pod, command, hasTerminal) {
      const { container } = pod;
      if (container === 'queue-proxy')
        throw refused(
          'queue-proxy is no process: it stands for the gateway; choose another container with -c',
        );
      const reached = instanceOf(runtime, pod);
      const { spec } = reached;
      const name = container ?? mainContainer(spec).name;
      const known = [...spec.containers, ...spec.initContainers].map((each) => each.name);
      if (!known.includes(name)) throw refused(`container ${name} is not valid for pod ${pod.name}`);
      const running = await reached.exec(name, command, hasTerminal);
      if (running !== undefined) return running;
      throw refused(`container ${name} of pod ${pod.name} does not run now; kubectl logs tells why`);
    },

    async connect(pod, port) {
      const connection = await instanceOf(runtime, pod).open(port);
      if (!('listening' in connection)) return connection;
      throw refused(
        `connect: connection refused: nothing of the pod listens on ${port}; ${other(connection.listening)}`,
      );
    },
  };
}

function other(listening: readonly number[] | undefined): string {
  if (listening === undefined) return 'kubectl describe pod tells which ports it names';
  return listening.length === 0 ? 'nothing of it listens' : `it listens on ${listening.join(', ')}`;
}

function instanceOf(runtime: Reach, { namespace, name }: Pod): Reached {
  const instance = runtime.reach(name);
  if (instance?.spec.namespace === namespace) return instance;
  throw refused(
    `pod ${namespace}/${name} has no process of its own here: it has ended, or stands for the platform itself`,
  );
}

const refused = (message: string): PlatformError =>
  new PlatformError('POD_NOT_REACHED', message, { retryable: false });
