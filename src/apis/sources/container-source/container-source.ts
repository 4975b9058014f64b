import { sourceKind } from '../source-kind.ts';
import { setContainerSourceDefaults } from './defaults.ts';
import { containerSourceSpec, type ContainerSource } from './schema.ts';
import { containerSourceErrors } from './validate.ts';

/** A program that makes events, told where to send them (eventing config/core/resources/containersource.yaml). */
export const containerSourceKind = sourceKind<ContainerSource>(
  {
    kind: 'ContainerSource',
    plural: 'containersources',
    singular: 'containersource',
    versions: ['v1'],
  },
  {
    spec: containerSourceSpec,
    setDefaults: setContainerSourceDefaults,
    validate: containerSourceErrors,
  },
);
