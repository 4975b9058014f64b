import { createRequire } from 'node:module';
import { messageOf } from '../../base/errors.ts';

type Data = Readonly<Record<string, string>>;
type Labels = Readonly<Record<string, string>>;

/** The labels that an object has to have for a domain; none: every object has them. */
export type DomainConfig = readonly { readonly domain: string; readonly selector: Labels }[];

/** ConfigMap config-domain: domain to label selector (serving pkg/reconciler/route/config/domain.go). */
export function parseDomainConfig(data: Data): DomainConfig | { readonly fault: string } {
  const domains: { domain: string; selector: Labels }[] = [];
  for (const [domain, text] of Object.entries(data)) {
    if (domain === '_example') continue;
    const parsed = selectorIn(text);
    if ('fault' in parsed) return parsed;
    domains.push({ domain, selector: parsed.selector });
  }
  return domains;
}

export function domainConfig(data: Data): DomainConfig {
  const parsed = parseDomainConfig(data);
  return 'fault' in parsed ? [] : parsed;
}

export function domainFault(data: Data): string | undefined {
  const parsed = parseDomainConfig(data);
  return 'fault' in parsed ? parsed.fault : undefined;
}

/** Of those whose selector matches, the one that asks for most labels; of these the first by name. */
export function domainFor(config: DomainConfig, labels: Labels = {}): string | undefined {
  const matching = config.filter(({ selector }) =>
    Object.entries(selector).every(([name, value]) => Object.hasOwn(labels, name) && labels[name] === value),
  );
  const size = (selector: Labels): number => Object.keys(selector).length;
  const [best] = matching.toSorted(
    (a, b) => size(b.selector) - size(a.selector) || (a.domain < b.domain ? -1 : 1),
  );
  return best?.domain;
}

function selectorIn(text: string): { readonly selector: Labels } | { readonly fault: string } {
  if (text.trim() === '') return { selector: {} };
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    return { fault: `error converting YAML to JSON: yaml: ${messageOf(error)}` };
  }
  if (value === null || value === undefined) return { selector: {} };
  if (typeof value !== 'object' || Array.isArray(value))
    return misfit(value, 'Go value of type config.domainInternalConfig');
  const selector: unknown = Reflect.get(value, 'selector') ?? {};
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector))
    return misfit(selector, 'Go struct field domainInternalConfig.selector of type map[string]string');
  const other: unknown = Object.values(selector).find((each) => typeof each === 'object');
  if (other !== undefined)
    return misfit(other, 'Go struct field domainInternalConfig.selector of type string');
  const labels = Object.entries(selector).map(([name, each]) => [name, String(each)]); // numbers stand for their text
  return { selector: Object.fromEntries(labels) as Labels };
}

/** What Go's decoder says. */
function misfit(value: unknown, into: string): { readonly fault: string } {
  const kind = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value;
  return {
    fault: `error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${kind} into ${into}`,
  };
}

/** Loaded when a ConfigMap has a selector, which few have (design decision 5). */
function parseYaml(text: string): unknown {
  const yaml = createRequire(import.meta.url)('yaml') as { parse(text: string): unknown };
  return yaml.parse(text);
}
