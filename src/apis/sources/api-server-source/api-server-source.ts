import { sourceKind } from '../source-kind.ts';
import { setApiServerSourceDefaults } from './defaults.ts';
import { apiServerSourceSpec, apiServerSourceStatus, type ApiServerSource } from './schema.ts';
import { API_SERVER_EVENT_TYPES } from './status.ts';
import { apiServerSourceErrors } from './validate.ts';

const { Reference, Resource } = API_SERVER_EVENT_TYPES;

/** Changes of objects of a Kubernetes API as events (eventing config/core/resources/apiserversource.yaml). */
export const apiServerSourceKind = sourceKind<ApiServerSource>(
  {
    kind: 'ApiServerSource',
    plural: 'apiserversources',
    singular: 'apiserversource',
    versions: ['v1'],
  },
  {
    spec: apiServerSourceSpec,
    status: apiServerSourceStatus,
    annotations: {
      'registry.knative.dev/eventTypes': JSON.stringify(
        [...Resource, ...Reference].map((type) => ({ type })),
      ),
    },
    setDefaults: setApiServerSourceDefaults,
    validate: apiServerSourceErrors,
  },
);
