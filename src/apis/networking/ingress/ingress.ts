import Type from 'typebox';
import type { KindDefinition } from '../../kind.ts';
import { int32, oneOfStrings, openObject, statusFields, stringMap, text } from '../../schema.ts';
import type { Ingress } from './types.ts';
import { WEBHOOK } from '../../serving/shared.ts';
import { ingressErrors, setIngressDefaults } from './validate.ts';

const port = Type.Unsafe<number | string>({
  'x-kubernetes-int-or-string': true,
  description: 'Port of the referent.',
});
const split = Type.Object(
  {
    serviceNamespace: text('Namespace of the revision.'),
    serviceName: text('Name of the revision.'),
    servicePort: port,
    percent: Type.Optional(int32('Share of the requests; 100 when it is the only one.')),
    appendHeaders: Type.Optional(stringMap('Headers that a request is given.')),
  },
  { description: 'A share.' },
);
const path = Type.Object(
  {
    path: Type.Optional(text('A prefix of the path; absent: every one.')),
    rewriteHost: Type.Optional(text('The Host that a request is given.')),
    headers: Type.Optional(openObject('Headers that have to be as they stand here.')),
    appendHeaders: Type.Optional(stringMap('Headers that a request is given.')),
    splits: Type.Array(split, { description: 'Who gets which share.' }),
  },
  { description: 'What takes a request.' },
);
const rule = Type.Object(
  {
    hosts: Type.Optional(Type.Array(Type.String(), { description: 'Names that it answers to.' })),
    visibility: Type.Optional(oneOfStrings(['ExternalIP', 'ClusterLocal'], 'Which listener answers.')),
    http: Type.Optional(
      Type.Object(
        { paths: Type.Array(path, { description: 'The first that matches takes a request.' }) },
        { description: 'Where requests go.' },
      ),
    ),
  },
  { description: 'What some hosts lead to.' },
);
const loadBalancer = openObject('Where it is reached.');

/** networking config/ingress.yaml. */
export const ingressKind: KindDefinition<Ingress> = {
  group: 'networking.internal.knative.dev',
  versions: ['v1alpha1'],
  kind: 'Ingress',
  plural: 'ingresses',
  singular: 'ingress',
  shortNames: ['kingress', 'king'],
  categories: ['knative-internal', 'networking'],
  scope: 'Namespaced',
  schema: Type.Object({
    spec: Type.Optional(
      Type.Object(
        {
          httpOption: Type.Optional(text('Enabled or Redirected: whether plain HTTP is answered.')),
          rules: Type.Optional(Type.Array(rule, { description: 'What which hosts lead to.' })),
          tls: Type.Optional(Type.Array(openObject('Hosts and a Secret.'), { description: 'Certificates.' })),
        },
        { description: 'What is desired.' },
      ),
    ),
    status: Type.Optional(
      Type.Object(
        {
          ...statusFields,
          publicLoadBalancer: Type.Optional(loadBalancer),
          privateLoadBalancer: Type.Optional(loadBalancer),
        },
        { description: 'What there is.' },
      ),
    ),
  }),
  columns: [
    { name: 'Ready', type: 'string', from: '.status.conditions[?(@.type=="Ready")].status' },
    { name: 'Reason', type: 'string', from: '.status.conditions[?(@.type=="Ready")].reason' },
  ],
  subresources: { status: true },
  crd: { labels: { 'knative.dev/crd-install': 'true' }, annotations: {} },
  webhook: WEBHOOK,
  isStamped: () => false,
  setDefaults: setIngressDefaults,
  validate: ingressErrors,
};
