import { existsSync } from 'node:fs';

/** Where Docker and podman have their sockets, as root and as a user. */
function usualSockets(env: NodeJS.ProcessEnv): readonly string[] {
  const { DOCKER_HOST = '', XDG_RUNTIME_DIR } = env;
  return [
    ...(DOCKER_HOST.startsWith('unix://') ? [DOCKER_HOST.slice('unix://'.length)] : []),
    '/var/run/docker.sock',
    '/run/podman/podman.sock',
    ...(XDG_RUNTIME_DIR === undefined
      ? []
      : [`${XDG_RUNTIME_DIR}/docker.sock`, `${XDG_RUNTIME_DIR}/podman/podman.sock`]),
  ];
}

/** The socket of the engine that is named (`unix:///…`, or `none`), else of one that is found; undefined: there is none. */
export function engineSocket(named: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  if (named === 'none') return undefined;
  if (named !== undefined) return named.replace(/^unix:\/\//, '');
  return usualSockets(env).find((path) => existsSync(path));
}
