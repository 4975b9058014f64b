import { parseBool, parseInt64, strconvFault } from '../autoscaling/go-numbers.ts';
import {
  parseTemplate,
  renderTemplate,
  type HostTemplate,
  type TemplateFault,
  type TemplateFields,
} from './host-template.ts';

type Data = Readonly<Record<string, string>>;

/** What is read of ConfigMap config-network (networking pkg/config/config.go). */
export type NetworkConfig = {
  readonly domainTemplate: HostTemplate;
  readonly tagTemplate: HostTemplate;
  /** What plain HTTP is answered with where there is TLS. */
  readonly httpProtocol: 'Enabled' | 'Redirected';
  /** Of public URLs without a certificate. */
  readonly externalScheme: string;
  /** `external-domain-tls`: hosts of Routes have certificates. */
  readonly isExternalTls: boolean;
  /** `autocreate-cluster-domain-claims`: true unless it is said; upstream ships false (docs/serving/domains-and-tls.md). */
  readonly createsClaims: boolean;
  readonly rolloutDurationMs: number;
};

const DOMAIN: TemplateFields = {
  name: 'domain-template',
  type: 'DomainTemplateValues',
  fields: ['Name', 'Namespace', 'Domain'],
  maps: ['Annotations', 'Labels'],
};
const TAG: TemplateFields = {
  name: 'tag-template',
  type: 'TagTemplateValues',
  fields: ['Name', 'Tag'],
  maps: [],
};
export const DOMAIN_TEMPLATE = '{{.Name}}.{{.Namespace}}.{{.Domain}}';
export const TAG_TEMPLATE = '{{.Tag}}-{{.Name}}';

export function parseNetworkConfig(data: Data): NetworkConfig | TemplateFault {
  const fault = numberFault(data);
  if (fault !== undefined) return { fault };
  const domainTemplate = parseTemplate(read(data, 'domain-template', DOMAIN_TEMPLATE), DOMAIN);
  if ('fault' in domainTemplate) return domainTemplate;
  const misfit = misfitOf(domainTemplate);
  if (misfit !== undefined) return { fault: misfit };
  const tagTemplate = parseTemplate(read(data, 'tag-template', TAG_TEMPLATE), TAG);
  if ('fault' in tagTemplate) return tagTemplate;
  const written = read(data, 'http-protocol', 'Enabled').toLowerCase();
  const httpProtocol = HTTP_PROTOCOLS[written];
  if (httpProtocol === undefined)
    return {
      fault: `httpProtocol ${data['http-protocol'] ?? ''} in config-network ConfigMap is not supported`,
    };
  const unsupported = encryptionFault(data);
  if (unsupported !== undefined) return { fault: unsupported };
  const tls = data['external-domain-tls'] ?? data['auto-tls'] ?? data['autoTLS'] ?? '';
  return {
    domainTemplate,
    tagTemplate,
    httpProtocol,
    externalScheme: read(data, 'default-external-scheme', 'http'),
    isExternalTls: tls.toLowerCase() === 'enabled',
    createsClaims: /^(?:1|t|true)$/i.test(read(data, 'autocreate-cluster-domain-claims', 'true')),
    rolloutDurationMs: Number(read(data, 'rollout-duration', '0')) * 1000,
  };
}

/** `disabled` is what upstream once had; it redirects since (serving pkg/networking, GetHTTPOption). */
const HTTP_PROTOCOLS: Readonly<Record<string, NetworkConfig['httpProtocol']>> = {
  '': 'Enabled',
  enabled: 'Enabled',
  disabled: 'Redirected',
  redirected: 'Redirected',
};

/** As it is; what cannot be read (written before there was a check) counts as if nothing were said. */
export function networkConfig(data: Data): NetworkConfig {
  const parsed = parseNetworkConfig(data);
  if (!('fault' in parsed)) return parsed;
  const shipped = parseNetworkConfig({});
  if ('fault' in shipped) throw new Error(shipped.fault);
  return shipped;
}

/** What upstream says is wrong with ConfigMap config-network (networking pkg/config/config.go); undefined: nothing. */
export function networkFault(data: Data): string | undefined {
  const parsed = parseNetworkConfig(data);
  return 'fault' in parsed ? parsed.fault : undefined;
}

/** Under its name, or the one that it once had (`domainTemplate`). */
function read(data: Data, key: string, shipped: string): string {
  const former = key.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return data[key] ?? data[former] ?? shipped;
}

function numberFault(data: Data): string | undefined {
  const rollout = read(data, 'rollout-duration', '0');
  return (
    integerFault(data, 'rolloutDuration') ??
    boolFault(data, 'autocreateClusterDomainClaims') ??
    integerFault(data, 'rollout-duration') ??
    boolFault(data, 'autocreate-cluster-domain-claims') ??
    boolFault(data, 'enable-mesh-pod-addressability') ??
    (Number(rollout) < 0 ? `rollout-duration must be a positive integer, but was ${rollout}` : undefined)
  );
}

function boolFault(data: Data, key: string): string | undefined {
  const text = data[key];
  return text === undefined || parseBool(text).kind === 'value'
    ? undefined
    : strconvFault('ParseBool', text, 'syntax');
}

function integerFault(data: Data, key: string): string | undefined {
  const text = data[key];
  const parsed = text === undefined ? undefined : parseInt64(text);
  return text === undefined || parsed === undefined || parsed.kind === 'value'
    ? undefined
    : `failed to parse "${key}": ${strconvFault('Atoi', text, parsed.kind)}`;
}

/** A trial, as upstream has it: no host that comes out has a path. */
function misfitOf(template: HostTemplate): string | undefined {
  const host = renderTemplate(template, { Name: 'foo', Namespace: 'bar', Domain: 'baz.com' });
  const slash = host.search(/[/?#]/);
  if (slash === 0 || host === '') return 'empty hostname';
  return slash > 0 ? `domain template has url path: ${host.slice(slash)}` : undefined;
}

function encryptionFault(data: Data): string | undefined {
  const key = ['system-internal-tls', 'cluster-local-domain-tls'].find(
    (each) => !['', 'enabled', 'disabled'].includes((data[each] ?? '').toLowerCase()),
  );
  if (key === undefined) return undefined;
  return `${key} with value: ${JSON.stringify(data[key])} in config-network ConfigMap is not supported`;
}
