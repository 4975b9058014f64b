import { heapArg, NODE_HEAP, NODE_PERMISSION, permissionArgs } from '../../apis/serving/node-start.ts';
import type { ContainerSpec, OwnStart } from '../runtime/container-spec.ts';

/** Variables that Node, its libraries or the loader of programs read at a process's start, and not later. */
const READ_AT_START = [
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_ICU_DATA',
  'NODE_PATH',
  'NODE_DEBUG',
  'NODE_DEBUG_NATIVE',
  'NODE_V8_COVERAGE',
  'NODE_PENDING_DEPRECATION',
  'NODE_PRESERVE_SYMLINKS',
  'NODE_REPORT_ON_FATALERROR',
  'NODE_USE_ENV_PROXY',
  'NODE_USE_SYSTEM_CA',
  'OPENSSL_CONF',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'UV_THREADPOOL_SIZE',
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
];

type Annotations = Readonly<Record<string, string>>;
type Started = Pick<ContainerSpec, 'launch' | 'env' | 'limits'>;

/** What of a function acts only at a process's start; undefined: nothing, and a warm runner can take it. */
export function ownStartOf(annotations: Annotations, { launch, env, limits }: Started): OwnStart | undefined {
  if (launch.kind !== 'function') return undefined;
  const permission = permissionArgs(annotations);
  const heap = heapArg(annotations, limits.memoryBytes);
  const variables = READ_AT_START.filter((name) => (env[name] ?? '') !== '');
  const why = [
    ...(permission === undefined ? [] : [`annotation ${NODE_PERMISSION}`]),
    ...(heap === undefined ? [] : [`annotation ${NODE_HEAP}`]),
    ...variables.map((name) => `variable ${name}`),
  ];
  if (why.length === 0) return undefined;
  return {
    nodeArgs: [...(permission ?? []), ...(heap === undefined ? [] : [heap])],
    isRestricted: permission !== undefined,
    why,
  };
}

/** What of these annotations does nothing, and what to do about it. */
export function idleAnnotations(
  annotations: Annotations,
  { name, launch, limits }: Pick<ContainerSpec, 'name' | 'launch' | 'limits'>,
): readonly string[] {
  const written = [NODE_PERMISSION, NODE_HEAP].filter((each) => annotations[each] !== undefined);
  if (launch.kind === 'program')
    return written.map(
      (each) =>
        `annotation ${each} is for Node functions, and container ${name} is a program: give Node its flags in the command, or in NODE_OPTIONS`,
    );
  const lacksLimit = annotations[NODE_HEAP] === 'limit' && limits.memoryBytes === undefined;
  return lacksLimit
    ? [`annotation ${NODE_HEAP} is limit, and container ${name} has no resources.limits.memory: name one`]
    : [];
}

/** Why instances of it start by a process of their own, and not from a warm runner; empty when they do not. */
export function coldReasons(containers: readonly ContainerSpec[]): readonly string[] {
  return containers.flatMap(({ launch, ownStart, mounts, user }) => {
    if (launch.kind !== 'function') return [];
    return [
      ...(ownStart?.why ?? []),
      ...(mounts.length > 0 ? ['its volumes, which are mounted for it alone'] : []),
      ...(isOther(user.uid, process.getuid?.()) || isOther(user.gid, process.getgid?.())
        ? ['another user']
        : []),
    ];
  });
}

function isOther(asked: number | undefined, own: number | undefined): boolean {
  return asked !== undefined && asked !== own;
}
