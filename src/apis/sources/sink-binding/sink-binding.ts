import { sourceKind } from '../source-kind.ts';
import { setSinkBindingDefaults } from './defaults.ts';
import { sinkBindingSpec, type SinkBinding } from './schema.ts';
import { sinkBindingErrors } from './validate.ts';

/** Tells programs where their events are to go (eventing config/core/resources/sinkbindings.yaml). */
export const sinkBindingKind = sourceKind<SinkBinding>(
  {
    kind: 'SinkBinding',
    plural: 'sinkbindings',
    singular: 'sinkbinding',
    versions: ['v1'],
    categories: ['all', 'knative', 'sources', 'bindings'],
  },
  {
    spec: sinkBindingSpec,
    labels: { 'duck.knative.dev/binding': 'true' },
    setDefaults: setSinkBindingDefaults,
    validate: sinkBindingErrors,
  },
);
