import { goDuration, goDurationFault, parseGoDuration } from '../../base/duration.ts';
import { parseBool, parseInt64, strconvFault } from '../autoscaling/go-numbers.ts';
import { quantityOf } from '../quantity.ts';
import type { ObjectMeta } from '../resource.ts';

type Data = Readonly<Record<string, string>>;
type Fault = string | undefined;

const INT64 = [
  'revision-timeout-seconds',
  'max-revision-timeout-seconds',
  'revision-idle-timeout-seconds',
  'container-concurrency',
  'container-concurrency-max-limit',
  'revision-response-start-timeout-seconds',
] as const;
const INT32_MAX = 2 ** 31 - 1;

/** What upstream says is wrong with ConfigMap config-defaults (serving pkg/apis/config/defaults.go); undefined: nothing. */
export function defaultsFault(data: Data): Fault {
  const number = (key: (typeof INT64)[number], shipped: number): number => Number(data[key] ?? shipped);
  const [timeout, max] = [
    number('revision-timeout-seconds', 300),
    number('max-revision-timeout-seconds', 600),
  ];
  const start = number('revision-response-start-timeout-seconds', timeout);
  const idle = number('revision-idle-timeout-seconds', 0);
  const limit = number('container-concurrency-max-limit', 1000);
  const concurrency = number('container-concurrency', 0);
  const rules: readonly (readonly [boolean, string])[] = [
    [
      timeout <= max,
      `revision-timeout-seconds (${timeout}) cannot be greater than max-revision-timeout-seconds (${max})`,
    ],
    [
      start <= 0 || start <= timeout,
      `revision-response-start-timeout-seconds (${start}) cannot be greater than revision-timeout-seconds (${timeout})`,
    ],
    [
      idle <= 0 || idle <= timeout,
      `revision-idle-timeout-seconds (${idle}) cannot be greater than revision-timeout-seconds (${timeout})`,
    ],
    [limit >= 1, `expected 1 <= ${limit} <= ${INT32_MAX}: container-concurrency-max-limit`],
    [
      concurrency >= 0 && concurrency <= limit,
      `expected 0 <= ${concurrency} <= ${limit}: container-concurrency`,
    ],
  ];
  return (
    unclosedFault(data) ?? valueFault(data) ?? rules.find(([holds]) => !holds)?.[1] ?? templateFault(data)
  );
}

function valueFault(data: Data): Fault {
  const start = 'revision-response-start-timeout-seconds';
  return (
    boolFault(data, 'allow-container-concurrency-zero') ??
    integerFault(
      data,
      INT64.filter((key) => key !== start),
    ) ??
    quantityFault(data, /^revision-(cpu|memory|ephemeral-storage)-(request|limit)$/) ??
    integerFault(data, [start])
  );
}

function boolFault(data: Data, key: string): Fault {
  const text = data[key];
  return text === undefined || parseBool(text).kind === 'value'
    ? undefined
    : strconvFault('ParseBool', text, 'syntax');
}

function integerFault(data: Data, keys: readonly string[]): Fault {
  for (const key of keys) {
    const text = data[key];
    const parsed = text === undefined ? undefined : parseInt64(text);
    if (text !== undefined && parsed !== undefined && parsed.kind !== 'value')
      return `failed to parse "${key}": ${strconvFault('ParseInt', text, parsed.kind)}`;
  }
  return undefined;
}

/** Those of a request before those of a limit, the processor first. */
function quantityFault(data: Data, keys: RegExp): Fault {
  const isRequest = (key: string): boolean => key.toLowerCase().endsWith('request');
  const rank = (key: string): number =>
    (isRequest(key) ? 0 : 3) +
    ['cpu', 'memory', 'ephemeral'].findIndex((each) => key.toLowerCase().includes(each));
  const [key] = Object.keys(data)
    .filter((each) => keys.test(each) && quantityOf(data[each]) === undefined)
    .toSorted((a, b) => rank(a) - rank(b));
  return (
    key &&
    `failed to parse "${key}": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`
  );
}

const TEMPLATES = ['init-container-name-template', 'container-name-template'];

function unclosedFault(data: Data): Fault {
  const isOpen = (text: string): boolean => text.replaceAll(/\{\{.*?\}\}/gs, '').includes('{{');
  return TEMPLATES.some((key) => isOpen(data[key] ?? ''))
    ? 'template: container-template:1: unclosed action'
    : undefined;
}

/** Of an object's metadata upstream takes more; what a name is made of is its name and namespace. */
function templateFault(data: Data): Fault {
  for (const key of TEMPLATES.toReversed()) {
    const text = data[key] ?? '';
    const other = [...text.matchAll(/\{\{\s*(.*?)\s*\}\}/gs)].find(
      ([whole]) => whole.replaceAll(FIELD, '') !== '',
    );
    if (other === undefined) continue;
    const [, name] = /^\.(\w+)$/.exec(other[1] ?? '') ?? [];
    if (name === undefined || METADATA_FIELDS.includes(name))
      return `failed to parse "${key}": ${JSON.stringify(text)} has more than {{.Name}} and {{.Namespace}}`;
    const at = other.index + other[0].indexOf('.');
    return `error executing template: template: container-template:1:${at}: executing "container-template" at <.${name}>: can't evaluate field ${name} in type v1.ObjectMeta`;
  }
  return undefined;
}

const METADATA_FIELDS = [
  'GenerateName',
  'SelfLink',
  'UID',
  'ResourceVersion',
  'Generation',
  'Labels',
  'Annotations',
];
const FIELD = /\{\{\s*\.(Name|Namespace)\s*\}\}/g;

/** The name that a template makes for a container of this object; fields of its metadata may stand in it. */
export function nameFrom(template: string, { name, namespace = '' }: Partial<ObjectMeta>): string {
  return template.replaceAll(FIELD, (_, field: string) => (field === 'Name' ? (name ?? '') : namespace));
}

const SPANS = [
  'progressDeadline',
  'digestResolutionTimeout',
  'progress-deadline',
  'digest-resolution-timeout',
];
const AFFINITIES = ['none', 'prefer-spread-revision-over-nodes'];

/** What upstream says is wrong with ConfigMap config-deployment (serving pkg/deployment/config.go); its image has no meaning here. */
export function deploymentFault(data: Data): Fault {
  const affinity = data['default-affinity-type'];
  return (
    spanFault(data, SPANS.slice(0, 2)) ??
    quantityFault(data, /^queueSidecar(CPU|Memory|EphemeralStorage)(Request|Limit)$/) ??
    spanFault(data, SPANS.slice(2)) ??
    quantityFault(data, /^queue-sidecar-(cpu|memory|ephemeral-storage)-(request|limit)$/) ??
    boolFault(data, 'pod-is-always-schedulable') ??
    positiveFault(data, 'progress-deadline', 'progressDeadline') ??
    positiveFault(data, 'digest-resolution-timeout', 'digestResolutionTimeout') ??
    (affinity === undefined || AFFINITIES.includes(affinity)
      ? undefined
      : `unsupported default-affinity-type value: ${JSON.stringify(affinity)}`)
  );
}

function spanFault(data: Data, keys: readonly string[]): Fault {
  for (const key of keys) {
    const text = data[key];
    if (text !== undefined && parseGoDuration(text) === undefined)
      return `failed to parse "${key}": ${goDurationFault(text)}`;
  }
  return undefined;
}

function positiveFault(data: Data, key: string, former: string): Fault {
  const ms = parseGoDuration(data[key] ?? data[former] ?? '1s') ?? 0;
  if (ms <= 0) return `${key} cannot be a non-positive duration, was ${goDuration(ms)}`;
  return key === 'progress-deadline' && ms % 1000 !== 0
    ? `${key} must be rounded to a whole second, was: ${goDuration(ms)}`
    : undefined;
}
