import { below, missingField } from '../../field-error.ts';
import type { FieldError } from '../../kind.ts';
import type { Container } from '../../serving/types.ts';
import type { ContainerSource } from './schema.ts';

/** eventing pkg/apis/sources/v1/container_validation.go. */
export function containerSourceErrors({ spec }: ContainerSource): FieldError[] {
  const { containers = [] } = spec.template?.spec ?? {};
  if (containers.length === 0) return [missingField('spec.containers')];
  return containers.flatMap((container, i) => below(`spec.containers[${i}]`, containerErrors(container)));
}

function containerErrors({ name, image }: Container): FieldError[] {
  return Object.entries({ name, image }).flatMap(([field, value]) => (value ? [] : [missingField(field)]));
}
