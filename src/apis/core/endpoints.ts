import Type from 'typebox';
import { openObject, text } from '../schema.ts';
import { AGE, at, core } from './core-kinds.ts';

export const ENDPOINTS = { apiVersion: 'v1', kind: 'Endpoints' } as const;
export const ENDPOINT_SLICE = { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' } as const;
/** So many are printed, and how many more there are. */
const SHOWN_MAX = 3;

const items = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Where the Pods of a Service are; a record of what the gateway knows. */
export const endpointsKind = core({
  kind: 'Endpoints',
  plural: 'endpoints',
  shortNames: ['ep'],
  schema: Type.Object({
    subsets: Type.Optional(
      Type.Array(openObject('Addresses and ports.'), { description: 'Where its Pods are.' }),
    ),
  }),
  columns: [
    {
      name: 'Endpoints',
      type: 'string',
      from: (object) =>
        someOf(
          items(at(object, 'subsets')).flatMap((subset) =>
            items(at(subset, 'ports')).flatMap((port) =>
              items(at(subset, 'addresses')).map(
                (each) => `${String(at(each, 'ip'))}:${String(at(port, 'port'))}`,
              ),
            ),
          ),
          '<none>',
        ),
    },
    AGE,
  ],
});

/** The same in the form of today; kubectl looks into names that nobody has given (kubernetes pkg/apis/discovery/v1/defaults.go). */
export const endpointSliceKind = core({
  group: 'discovery.k8s.io',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  schema: Type.Object({
    addressType: Type.Optional(text('IPv4.')),
    endpoints: Type.Optional(Type.Array(openObject('An endpoint.'), { description: 'Where its Pods are.' })),
    ports: Type.Optional(Type.Array(openObject('A port.'), { description: 'Where they listen.' })),
  }),
  columns: [
    { name: 'AddressType', type: 'string', from: '.addressType' },
    {
      name: 'Ports',
      type: 'string',
      from: (object) =>
        someOf(
          items(at(object, 'ports')).map((each) => String(at(each, 'port'))),
          '<unset>',
        ),
    },
    {
      name: 'Endpoints',
      type: 'string',
      from: (object) =>
        someOf(
          items(at(object, 'endpoints')).flatMap((each) => items(at(each, 'addresses')).map(String)),
          '<unset>',
        ),
    },
    AGE,
  ],
  setDefaults: (slice) => ({
    ...slice,
    ports: items(slice['ports']).map((port) => ({ name: '', protocol: 'TCP', ...Object(port) })),
  }),
});

function someOf(all: readonly string[], none: string): string {
  if (all.length === 0) return none;
  const more = all.length - SHOWN_MAX;
  return `${all.slice(0, SHOWN_MAX).join(',')}${more > 0 ? ` + ${more} more...` : ''}`;
}
