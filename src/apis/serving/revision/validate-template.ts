import { autoscalingErrors } from '../../autoscaling/validate.ts';
import { goFloat, parseFloat64 } from '../../autoscaling/go-numbers.ts';
import { below, disallowedField, invalidKeyName, invalidValue, outOfBounds } from '../../field-error.ts';
import type { AdmissionContext, FieldError } from '../../kind.ts';
import { dns1035Faults } from '../../names.ts';
import { quantityOf } from '../../quantity.ts';
import type { ObjectMeta } from '../../resource.ts';
import { secondsErrors, withoutDash } from '../metadata.ts';
import { nodeStartErrors } from '../node-start.ts';
import type { RevisionTemplate } from '../types.ts';
import { autoscalerConfigIn, revisionSpecErrors } from './validate.ts';

type Annotations = Readonly<Record<string, string>>;

const PROGRESS_DEADLINE = ['serving.knative.dev/progress-deadline'];
const PROXY = 'queue.sidecar.serving.knative.dev/';
/** Whether there is a proxy or not, what it would be given has to be readable. */
const PROXY_RESOURCES = ['cpu', 'memory', 'ephemeral-storage'].flatMap((resource) =>
  ['request', 'limit'].map((bound) => `${PROXY}${resource}-resource-${bound}`),
);
/** networking pkg/apis/networking/metadata_validation.go */
const NETWORKING = 'networking.knative.dev';
const NETWORKING_ALLOWED = [
  'ingress.class',
  'ingress-class',
  'certificate.class',
  'certificate-class',
  'disableAutoTLS',
  'disable-auto-tls',
  'disable-external-domain-tls',
  'httpOption',
  'http-protocol',
].map((name) => `${NETWORKING}/${name}`);

/** What each Revision of a Service or Configuration is made from (revision_validation.go); paths are relative to it. */
export function revisionTemplateErrors(
  { metadata = {}, spec = {} }: RevisionTemplate,
  owner: Partial<ObjectMeta>,
  context: AdmissionContext,
): FieldError[] {
  const { annotations = {} } = metadata;
  return [
    ...below('spec', revisionSpecErrors(spec, context)),
    ...below('metadata.annotations', [
      ...autoscalingErrors(annotations, autoscalerConfigIn(context)),
      ...networkingErrors(annotations),
      ...proxyErrors(annotations),
      ...secondsErrors(annotations, PROGRESS_DEADLINE, 'progress-deadline'),
      ...nodeStartErrors(annotations),
    ]),
    ...below('metadata', nameErrors(metadata, owner)),
  ];
}

export function networkingErrors(annotations: Annotations): FieldError[] {
  return Object.keys(annotations)
    .filter((name) => name.startsWith(NETWORKING) && !NETWORKING_ALLOWED.includes(name))
    .map((name) => invalidKeyName(name, ''));
}

function proxyErrors(annotations: Annotations): FieldError[] {
  const faults = PROXY_RESOURCES.flatMap((name) => {
    const value = annotations[name];
    return value === undefined || quantityOf(value) !== undefined ? [] : [invalidValue(value, `[${name}]`)];
  });
  return [...percentageErrors(annotations), ...faults];
}

function percentageErrors(annotations: Annotations): FieldError[] {
  const names = [`${PROXY}resource-percentage`, `${PROXY}resourcePercentage`];
  const name = names.find((each) => annotations[each] !== undefined);
  const value = name === undefined ? undefined : annotations[name];
  if (value === undefined) return [];
  const parsed = parseFloat64(value);
  if (parsed.kind !== 'value') return [invalidValue(value, `[${name}]`)];
  return parsed.value < 0.1 || parsed.value > 100
    ? [outOfBounds(goFloat(parsed.value), 0.1, 100, `[${name}]`)]
    : [];
}

/** A name of the user's own begins with the owner's, which is not known yet while it is to be generated. */
function nameErrors(
  { name = '', generateName = '' }: Partial<ObjectMeta>,
  owner: Partial<ObjectMeta>,
): FieldError[] {
  const prefixFaults = generateName === '' ? [] : dns1035Faults(withoutDash(generateName));
  if (prefixFaults.length > 0)
    return [invalidValue(`not a DNS 1035 label prefix: [${prefixFaults.join(' ')}]`, 'generateName')];
  if (name === '') return [];
  const faults = dns1035Faults(name);
  if (faults.length > 0) return [invalidValue(`not a DNS 1035 label: [${faults.join(' ')}]`, 'name')];
  if (!owner.name && owner.generateName) return [disallowedField('name')];
  return name.startsWith(`${owner.name}-`)
    ? []
    : [invalidValue(`"${name}" must have prefix "${owner.name}-"`, 'name')];
}
