import Type from 'typebox';
import type { AdmissionContext, FieldError } from '../kind.ts';
import { dns1035Fault } from '../names.ts';
import { SERVICE_RULES } from '../patch-rules.ts';
import type { Resource } from '../resource.ts';
import { int32, openObject, stringMap, text } from '../schema.ts';
import { AGE, at, core, shown, type Open } from './core-kinds.ts';
import { invalid, portErrors, requiredValue, unsupported } from './pod-spec.ts';

/** core/v1 Service, as far as it is read here. */
export type CoreService = Resource & {
  readonly spec?: {
    readonly type?: string;
    readonly selector?: Readonly<Record<string, string>>;
    readonly ports?: readonly ServicePort[];
    readonly clusterIP?: string;
    readonly externalName?: string;
    readonly sessionAffinity?: string;
    readonly publishNotReadyAddresses?: boolean;
  };
};
export type ServicePort = {
  readonly name?: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
  readonly protocol?: string;
  readonly appProtocol?: string;
};

export const CORE_SERVICE = { apiVersion: 'v1', kind: 'Service' } as const;

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
const PORTS_WITH_TYPE = new Set(['NodePort', 'LoadBalancer']);
/** Services are told apart by the name in the request, not by an address of their own: theirs is the internal listener's. */
const CLUSTER_IP = '127.0.0.1';

const port = Type.Object(
  {
    name: Type.Optional(text('Name of the port.')),
    port: Type.Optional(int32('Where the Service answers.')),
    targetPort: Type.Optional(
      Type.Unsafe<number | string>({
        'x-kubernetes-int-or-string': true,
        description: 'Where its Pods listen: a number, or the name of a port of theirs.',
      }),
    ),
    nodePort: Type.Optional(int32('Where the Service answers on this machine.')),
    protocol: Type.Optional(text('TCP.')),
    appProtocol: Type.Optional(text('kubernetes.io/h2c: its Pods speak HTTP/2.')),
  },
  { description: 'A port.' },
);

export const serviceKind = core({
  kind: 'Service',
  plural: 'services',
  shortNames: ['svc'],
  categories: ['all'],
  subresources: { status: true },
  patchRules: SERVICE_RULES,
  schema: Type.Object({
    spec: Type.Optional(
      Type.Object(
        {
          type: Type.Optional(text('ClusterIP, NodePort, LoadBalancer or ExternalName.')),
          selector: Type.Optional(stringMap('The labels of its Pods.')),
          ports: Type.Optional(Type.Array(port, { description: 'Where it answers.' })),
          clusterIP: Type.Optional(text('None: no address of its own.')),
          externalName: Type.Optional(text('The name that it stands for.')),
        },
        { description: 'Selector, ports, type.', 'x-kubernetes-preserve-unknown-fields': true },
      ),
    ),
    status: Type.Optional(openObject('Load balancer.')),
  }),
  columns: [
    { name: 'Type', type: 'string', from: (object) => shown(object, 'ClusterIP', 'spec', 'type') },
    { name: 'Cluster-IP', type: 'string', from: (object) => shown(object, '<none>', 'spec', 'clusterIP') },
    { name: 'External-IP', type: 'string', from: externalIp },
    { name: 'Port(s)', type: 'string', from: (object) => ports(at(object, 'spec', 'ports')) },
    AGE,
    { name: 'Selector', type: 'string', from: selectorOf, priority: 1 },
  ],
  setDefaults: (object) => (isMade(object) ? object : (withDefaults(object as CoreService) as Open)),
  validate: (object, context) => (isMade(object) ? [] : serviceErrors(object as CoreService, context)),
});

/** Made by the platform, for a Route or for itself: such a one says all there is to say. */
export function isMade({ metadata }: Resource): boolean {
  const { ownerReferences = [], labels = {} } = metadata;
  return ownerReferences.length > 0 || labels['platform.millrace.dev/self'] !== undefined;
}

/** kubernetes pkg/apis/core/v1/defaults.go. */
function withDefaults(service: CoreService): CoreService {
  const { type = 'ClusterIP', ports: all, ...spec } = service.spec ?? {};
  return {
    ...service,
    spec: {
      ...(type !== 'ExternalName' && { clusterIP: CLUSTER_IP }),
      sessionAffinity: 'None',
      ...spec,
      ...(all !== undefined && { ports: all.map((each) => withPortDefaults(each, type)) }),
      type,
    },
  };
}

function withPortDefaults({ nodePort, ...each }: ServicePort, type: string): ServicePort {
  return {
    protocol: 'TCP',
    targetPort: each.port,
    ...each,
    ...(nodePort !== undefined && PORTS_WITH_TYPE.has(type) && { nodePort }),
  };
}

/** kubernetes pkg/apis/core/validation, ValidateService. */
function serviceErrors(service: CoreService, { operation }: AdmissionContext): readonly FieldError[] {
  const { spec = {}, metadata } = service;
  const { type = '', ports: all = [], clusterIP, externalName = '' } = spec;
  const nameFault = operation === 'CREATE' ? dns1035Fault(metadata.name) : undefined;
  return [
    ...(nameFault === undefined ? [] : [invalid(metadata.name, 'metadata.name', nameFault)]),
    ...(TYPES.includes(type) ? [] : [unsupported(type, 'spec.type', TYPES)]),
    ...(all.length === 0 && clusterIP !== 'None' && type !== 'ExternalName'
      ? [requiredValue('spec.ports')]
      : []),
    ...(type === 'ExternalName' && externalName === '' ? [requiredValue('spec.externalName')] : []),
    ...all.flatMap((each, i) => errorsOfPort(each, i, all)),
  ];
}

function errorsOfPort(each: ServicePort, i: number, all: readonly ServicePort[]): FieldError[] {
  const at = `spec.ports[${i}]`;
  const { name = '', protocol = 'TCP', targetPort, nodePort } = each;
  const isTwice =
    all.findIndex((other) => other.port === each.port && (other.protocol ?? 'TCP') === protocol) < i;
  return [
    ...(name === '' && all.length > 1 ? [requiredValue(`${at}.name`)] : []),
    ...portErrors(each.port ?? 0, `${at}.port`),
    ...(typeof targetPort === 'number' ? portErrors(targetPort, `${at}.targetPort`) : []),
    ...(nodePort === undefined ? [] : portErrors(nodePort, `${at}.nodePort`)),
    ...(['TCP', 'UDP', 'SCTP'].includes(protocol)
      ? []
      : [unsupported(protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP'])]),
    ...(isTwice
      ? [{ message: `Duplicate value: ${JSON.stringify({ port: each.port, protocol })}`, paths: [at] }]
      : []),
  ];
}

/** kubernetes pkg/printers/internalversion, getServiceExternalIP. */
function externalIp(service: Resource): string {
  const type = shown(service, 'ClusterIP', 'spec', 'type');
  if (type === 'ExternalName') return shown(service, '<none>', 'spec', 'externalName');
  const ingress = at(service, 'status', 'loadBalancer', 'ingress');
  const addresses = Array.isArray(ingress)
    ? ingress.map((each) => shown(each, shown(each, '', 'hostname'), 'ip'))
    : [];
  if (addresses.length > 0) return addresses.join(',');
  return type === 'LoadBalancer' ? '<pending>' : '<none>';
}

function portText(port: unknown): string {
  const node = shown(port, '', 'nodePort');
  return `${shown(port, '', 'port')}${node === '' ? '' : `:${node}`}/${shown(port, 'TCP', 'protocol')}`;
}

function ports(value: unknown): string {
  const all = Array.isArray(value) ? value : [];
  return all.length === 0 ? '<none>' : all.map(portText).join(',');
}

function selectorOf(service: Resource): string {
  const all = Object.entries(Object(at(service, 'spec', 'selector')));
  const text = all
    .map(([name, value]) => `${name}=${String(value)}`)
    .toSorted()
    .join(',');
  return text || '<none>';
}
