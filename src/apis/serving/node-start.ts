import { invalidValue } from '../field-error.ts';
import type { FieldError } from '../kind.ts';
import { quantityOf } from '../quantity.ts';
import { NETWORK, networkErrors } from './own-network.ts';

/**
 * Annotations of a revision that act at the start of a Node function's process:
 *   `runtime.millrace.dev/node-permission`  switches Node's permission model on; its value is what is allowed beyond
 *     reading the function's own image: `fs-read=/a,/b fs-write=/c child-process worker addons wasi`, all optional.
 *   `runtime.millrace.dev/node-heap`        the largest heap: a quantity (`96Mi`), or `limit`, three quarters of the
 *     container's memory limit.
 */
export const NODE_PERMISSION = 'runtime.millrace.dev/node-permission';
export const NODE_HEAP = 'runtime.millrace.dev/node-heap';

const PREFIX = 'runtime.millrace.dev/';
const WITH_PATHS = ['fs-read', 'fs-write'];
const PLAIN = ['child-process', 'worker', 'addons', 'wasi'];
const MIB = 1024 * 1024;
/** V8 does not start with less. */
const HEAP_LEAST_MIB = 16;
const SHARE_OF_LIMIT = 0.75;

type Annotations = Readonly<Record<string, string>>;

export function nodeStartErrors(annotations: Annotations = {}): FieldError[] {
  const unknown = Object.keys(annotations).filter(
    (name) => name.startsWith(PREFIX) && ![NODE_PERMISSION, NODE_HEAP, NETWORK].includes(name),
  );
  return [
    ...unknown.map((name) =>
      invalidValue(annotations[name], name, `there are ${NODE_PERMISSION}, ${NODE_HEAP} and ${NETWORK}`),
    ),
    ...grantsIn(annotations[NODE_PERMISSION])
      .filter((grant) => !isGrant(grant))
      .map((grant) =>
        invalidValue(
          grant,
          NODE_PERMISSION,
          `may allow fs-read=/PATH,… fs-write=/PATH,… ${PLAIN.join(' ')}, separated by spaces; paths are absolute`,
        ),
      ),
    ...heapErrors(annotations[NODE_HEAP]),
    ...networkErrors(annotations),
  ];
}

/** Arguments of Node that switch its permission model on; undefined: it stays off. */
export function permissionArgs(annotations: Annotations): readonly string[] | undefined {
  if (annotations[NODE_PERMISSION] === undefined) return undefined;
  const grants = grantsIn(annotations[NODE_PERMISSION]).filter(isGrant);
  return ['--permission', ...grants.flatMap(argsOf)];
}

/** The argument that bounds its heap; undefined: none is asked for, or there is no limit to take it from. */
export function heapArg(annotations: Annotations, limitBytes: number | undefined): string | undefined {
  const written = annotations[NODE_HEAP];
  if (written === undefined) return undefined;
  const bytes =
    written === 'limit' ? limitBytes && limitBytes * SHARE_OF_LIMIT : (quantityOf(written) ?? undefined);
  if (bytes === undefined) return undefined;
  return `--max-heap-size=${Math.max(HEAP_LEAST_MIB, Math.floor(bytes / MIB))}`;
}

function heapErrors(written: string | undefined): FieldError[] {
  if (written === undefined || written === 'limit') return [];
  return (quantityOf(written) ?? 0) >= HEAP_LEAST_MIB * MIB
    ? []
    : [invalidValue(written, NODE_HEAP, `a quantity from ${HEAP_LEAST_MIB}Mi on, or limit`)];
}

function grantsIn(written: string = ''): readonly string[] {
  return written.split(/\s+/).filter((grant) => grant !== '');
}

function isGrant(grant: string): boolean {
  const [name, paths] = splitOnce(grant);
  if (paths === undefined) return PLAIN.includes(name);
  return WITH_PATHS.includes(name) && paths.split(',').every((path) => path.startsWith('/'));
}

function argsOf(grant: string): readonly string[] {
  const [name, paths] = splitOnce(grant);
  return paths === undefined
    ? [`--allow-${name}`]
    : paths.split(',').map((path) => `--allow-${name}=${path}`);
}

function splitOnce(grant: string): readonly [string, string | undefined] {
  const at = grant.indexOf('=');
  return at < 0 ? [grant, undefined] : [grant.slice(0, at), grant.slice(at + 1)];
}
