import { goDuration, parseGoDuration } from '../../base/duration.ts';
import { parseBool, strconvFault } from '../autoscaling/go-numbers.ts';
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
      start <= timeout,
      `revision-response-start-timeout-seconds (${start}) cannot be greater than revision-timeout-seconds (${timeout})`,
    ],
    [
      idle <= timeout,
      `revision-idle-timeout-seconds (${idle}) cannot be greater than revision-timeout-seconds (${timeout})`,
    ],
    [limit >= 1, `expected 1 <= ${limit} <= ${INT32_MAX}: container-concurrency-max-limit`],
    [
      concurrency >= 0 && concurrency <= limit,
      `expected 0 <= ${concurrency} <= ${limit}: container-concurrency`,
    ],
  ];
  return templateFault(data) ?? valueFault(data) ?? rules.find(([holds]) => !holds)?.[1];
}

function valueFault(data: Data): Fault {
  const zero = data['allow-container-concurrency-zero'];
  if (zero !== undefined && parseBool(zero).kind !== 'value')
    return strconvFault('ParseBool', zero, 'syntax');
  for (const key of INT64) {
    const text = data[key];
    if (text !== undefined && !/^[+-]?\d{1,18}$/.test(text))
      return `failed to parse "${key}": ${strconvFault('ParseInt', text, 'syntax')}`;
  }
  return quantityFault(data, /^revision-(cpu|memory|ephemeral-storage)-(request|limit)$/);
}

function quantityFault(data: Data, keys: RegExp): Fault {
  const key = Object.keys(data).find((each) => keys.test(each) && quantityOf(data[each]) === undefined);
  return (
    key &&
    `failed to parse "${key}": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`
  );
}

function templateFault(data: Data): Fault {
  for (const key of ['container-name-template', 'init-container-name-template']) {
    const rest = (data[key] ?? '').replaceAll(FIELD, '');
    if (rest.includes('{{') || rest.includes('}}'))
      return `failed to parse "${key}": ${JSON.stringify(data[key])} has more than {{.Name}} and {{.Namespace}}`;
  }
  return undefined;
}

const FIELD = /\{\{\s*\.(Name|Namespace)\s*\}\}/g;

/** The name that a template makes for a container of this object; fields of its metadata may stand in it. */
export function nameFrom(template: string, { name, namespace = '' }: Partial<ObjectMeta>): string {
  return template.replaceAll(FIELD, (_, field: string) => (field === 'Name' ? (name ?? '') : namespace));
}

/** What upstream says is wrong with ConfigMap config-deployment (serving pkg/deployment/config.go); its image has no meaning here. */
export function deploymentFault(data: Data): Fault {
  for (const key of ['progress-deadline', 'digest-resolution-timeout']) {
    const text = data[key];
    if (text === undefined) continue;
    const ms = parseGoDuration(text);
    if (ms === undefined) return `failed to parse "${key}": time: invalid duration ${JSON.stringify(text)}`;
    if (ms <= 0) return `${key} cannot be a non-positive duration, was ${goDuration(ms)}`;
    if (key === 'progress-deadline' && ms % 1000 !== 0)
      return `progress-deadline must be rounded to a whole second, was: ${goDuration(ms)}`;
  }
  return quantityFault(data, /^queue-sidecar-(cpu|memory|ephemeral-storage)-(request|limit)$/);
}
