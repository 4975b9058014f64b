/** Where Go's structs have a name in between that is not written in JSON (`json:",inline"`), by what they are of. */
const REVISION_SPEC_OWN = new Set([
  'containerConcurrency',
  'timeoutSeconds',
  'responseStartTimeoutSeconds',
  'idleTimeoutSeconds',
]);
const VOLUME_OWN = new Set(['name']);
const PROBE_HANDLERS = new Set(['exec', 'httpGet', 'tcpSocket', 'grpc']);
/** Those that are not just the JSON's name with a capital. */
const GO_NAMES: Readonly<Record<string, string>> = {
  apiVersion: 'APIVersion',
  metadata: 'ObjectMeta',
  tcpSocket: 'TCPSocket',
  httpGet: 'HTTPGet',
  httpHeaders: 'HTTPHeaders',
  grpc: 'GRPC',
  tty: 'TTY',
  dnsPolicy: 'DNSPolicy',
  dnsConfig: 'DNSConfig',
  hostIPC: 'HostIPC',
  hostPID: 'HostPID',
  csi: 'CSI',
  url: 'URL',
};
/** Where Go has a pointer, which diffs show as followed. */
const POINTERS = new Set([
  ...REVISION_SPEC_OWN,
  'enableServiceLinks',
  'automountServiceAccountToken',
  'shareProcessNamespace',
  'runtimeClassName',
  'preemptionPolicy',
  'restartPolicy',
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
]);
/** Of a map or a list: it is there, or it is not. */
const ENTRY = 'an entry';
/** Maps, whose keys stand in brackets. */
const MAPS = new Set(['labels', 'annotations', 'limits', 'requests', 'nodeSelector']);

/**
 * The members that differ, one after the other (knative pkg/kmp/reporters.go, ShortDiffReporter). Paths are those of Go's
 * types; a value that is a struct or a map in Go is written as JSON.
 */
export function shortDiff(path: string, before: unknown, after: unknown, of = path): string {
  if (isOpenable(before) && isOpenable(after)) {
    const isList = Array.isArray(before) || Array.isArray(after);
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    const diffs = names.map((name) => {
      const [old, now] = [before, after].map((each): unknown => Reflect.get(each, name));
      const isOne = isList && (old === undefined || now === undefined);
      const at = isList ? `${path}[${name}]` : path + stepTo(name, of);
      return shortDiff(at, old, now, isOne ? ENTRY : below(name, of));
    });
    return diffs.join('');
  }
  return valueDiff(path, before, after, of);
}

function valueDiff(path: string, before: unknown, after: unknown, of: string): string {
  const isPointer = POINTERS.has(of);
  const hasZero = !isPointer && of !== ENTRY;
  const [old, now] = hasZero ? [before ?? zeroOf(after), after ?? zeroOf(before)] : [before, after];
  if (old === now || (isNothing(old) && isNothing(now))) return '';
  const isFollowed = isPointer && old !== undefined && now !== undefined;
  const line = (sign: string, value: unknown): string =>
    value === undefined ? '' : `\t${sign}: ${shown(value)}\n`;
  return `${isFollowed ? '*' : ''}${path}:\n${line('-', old)}${line('+', now)}`;
}

/** A list that is empty is not written. */
const isNothing = (value: unknown): boolean =>
  value === undefined || (Array.isArray(value) && value.length === 0);

/** What Go has where nothing is said, of the same type. */
function zeroOf(value: unknown): unknown {
  if (typeof value === 'string') return '';
  if (typeof value === 'boolean') return false;
  return typeof value === 'number' ? 0 : undefined;
}

/** What an element is of is what its list is. */
const below = (name: string, of: string): string => {
  if (MAPS.has(of)) return ENTRY;
  return /^\d+$/.test(name) ? of : name;
};

const shown = (value: unknown): string => {
  if (typeof value === 'object') return JSON.stringify(value);
  return `"${typeof value === 'string' ? value : JSON.stringify(value)}"`;
};

const isOpenable = (value: unknown): value is object => typeof value === 'object' && value !== null;

function stepTo(name: string, of: string): string {
  return MAPS.has(of) ? `[${JSON.stringify(name)}]` : `${embedded(name, of)}.${goName(name)}`;
}

function embedded(name: string, of: string): string {
  if (of === '{v1.RevisionSpec}' || of === 'spec') return REVISION_SPEC_OWN.has(name) ? '' : '.PodSpec';
  if (of === 'volumes') return VOLUME_OWN.has(name) ? '' : '.VolumeSource';
  return of.endsWith('Probe') && PROBE_HANDLERS.has(name) ? '.ProbeHandler' : '';
}

/** The Go name of a member, which diffs speak in. */
function goName(name: string): string {
  return GO_NAMES[name] ?? name.charAt(0).toUpperCase() + name.slice(1);
}
