import type { ContainerSpec } from '../container-spec.ts';
import type { InstanceSpec } from '../runtime.ts';

/** Its variables, with those that are the name of its instance. */
export function withId({ env, idEnv }: ContainerSpec, id: string): ContainerSpec['env'] {
  return idEnv.length === 0 ? env : { ...env, ...Object.fromEntries(idEnv.map((name) => [name, id])) };
}

/** knative specs, runtime-contract.md. */
export function runtimeContract({
  service,
  revision,
  configuration,
}: InstanceSpec): Readonly<Record<string, string>> {
  if (service === undefined) return {};
  return { K_SERVICE: service, K_REVISION: revision, K_CONFIGURATION: configuration ?? service };
}

/** The output of an instance with one container goes under its id, that of others under `<id>.<container>`. */
export function logNameOf(
  { containers, initContainers }: InstanceSpec,
  { name }: ContainerSpec,
  id: string,
): string {
  return containers.length + initContainers.length > 1 ? `${id}.${name}` : id;
}
