import { below, disallowedField, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { Container } from '../../serving/types.ts';
import type { ContainerSource } from './schema.ts';

const LATER = 'with a later version of Millrace';

/** eventing pkg/apis/sources/v1/container_validation.go, and what does not run here yet. */
export function containerSourceErrors({ spec }: ContainerSource): FieldError[] {
  const pod = spec.template?.spec ?? {};
  const { containers = [] } = pod;
  if (containers.length === 0) return [missingField('spec.containers')];
  return [
    ...containers.flatMap((container, i) => below(`spec.containers[${i}]`, containerErrors(container))),
    ...(containers.length > 1
      ? [notYet('spec.template.spec.containers', `several containers in one source come ${LATER}`)]
      : []),
    ...['initContainers', 'volumes']
      .filter((field) => Reflect.get(pod, field) !== undefined)
      .map((field) => notYet(`spec.template.spec.${field}`, `they come ${LATER}`)),
  ];
}

function containerErrors({ name, image, env = [], volumeMounts = [] }: Container): FieldError[] {
  return [
    ...Object.entries({ name, image }).flatMap(([field, value]) => (value ? [] : [missingField(field)])),
    ...env.flatMap(({ valueFrom }, i) =>
      valueFrom === undefined || valueFrom.secretKeyRef || valueFrom.configMapKeyRef
        ? []
        : [
            notYet(
              `env[${i}].valueFrom`,
              `a value is from a Secret or a ConfigMap; other sources come ${LATER}`,
            ),
          ],
    ),
    ...(volumeMounts.length === 0
      ? []
      : [notYet('volumeMounts', `volumes come ${LATER}; env and envFrom read Secrets and ConfigMaps`)]),
  ];
}

function notYet(path: string, details: string): FieldError {
  return { ...disallowedField(path), details };
}
