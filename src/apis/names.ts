import { createHash } from 'node:crypto';

const NAME_MAX = 63;
const MD5_LENGTH = 32; // in hexadecimal

/** The name of an object made for another: shortened with a hash when it would be too long (knative pkg/kmeta/names.go). */
export function childName(parent: string, suffix: string): string {
  if (parent.length + suffix.length <= NAME_MAX) return parent + suffix;
  const head = NAME_MAX - MD5_LENGTH;
  if (suffix.length < head) return parent.slice(0, head - suffix.length) + md5(parent) + suffix;
  const name = parent.slice(0, head) + md5(parent + suffix) + suffix;
  return name.slice(0, NAME_MAX).replace(/[^A-Za-z0-9]+$/, '');
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const DNS1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;

/** apimachinery's words for a name that is none; undefined when it is one. */
export function subdomainFault(name: string): string | undefined {
  return subdomainFaults(name)[0];
}

export function labelFault(name: string): string | undefined {
  return labelFaults(name)[0];
}

export function dns1035Fault(name: string): string | undefined {
  return dns1035Faults(name)[0];
}

/** All that is wrong with it: its length, its characters. */
export function subdomainFaults(name: string): readonly string[] {
  return faultsOf(name, 253, SUBDOMAIN, SUBDOMAIN_FAULT);
}

export function labelFaults(name: string): readonly string[] {
  return faultsOf(name, NAME_MAX, LABEL, SUBDOMAIN.test(name) ? 'must not contain dots' : LABEL_FAULT);
}

export function dns1035Faults(name: string): readonly string[] {
  return faultsOf(name, NAME_MAX, DNS1035, DNS1035_FAULT);
}

function faultsOf(name: string, lengthMax: number, form: RegExp, fault: string): readonly string[] {
  return [
    ...(name.length > lengthMax ? [`must be no more than ${lengthMax} characters`] : []),
    ...(form.test(name) ? [] : [fault]),
  ];
}

const SUBDOMAIN_FAULT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_FAULT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const DNS1035_FAULT =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

/** What is wrong with a name in C's sense, as a kind has one (apimachinery: IsCIdentifier). */
export function identifierFault(name: string): string | undefined {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return undefined;
  return "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
}

const QUALIFIED_PART = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const QUALIFIED_FAULT =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/** What is wrong with a label key: a name, with a subdomain before it or not (apimachinery: IsQualifiedName). */
export function qualifiedNameFaults(value: string): readonly string[] {
  const parts = value.split('/');
  if (parts.length > 2)
    return [
      `a qualified name ${QUALIFIED_FAULT} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const [name = '', prefix] = parts.toReversed();
  return [
    ...(prefix === '' ? ['prefix part must be non-empty'] : []),
    ...(prefix ? subdomainFaults(prefix).map((fault) => `prefix part ${fault}`) : []),
    ...(name === '' ? ['name part must be non-empty'] : []),
    ...(name.length > NAME_MAX ? [`name part must be no more than ${NAME_MAX} characters`] : []),
    ...(QUALIFIED_PART.test(name) ? [] : [`name part ${QUALIFIED_FAULT}`]),
  ];
}
