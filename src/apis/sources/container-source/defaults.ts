import type { ContainerSource } from './schema.ts';

/** A container without a name is called after its source (eventing pkg/apis/sources/v1/container_defaults.go). */
export function setContainerSourceDefaults(source: ContainerSource): ContainerSource {
  const { template } = source.spec;
  const containers = template?.spec?.containers;
  if (containers === undefined) return source;
  const named = containers.map((container, i) => ({
    ...container,
    name: container.name || `${source.metadata.name}-${i}`,
  }));
  const spec = { ...template?.spec, containers: named };
  return { ...source, spec: { ...source.spec, template: { ...template, spec } } };
}
