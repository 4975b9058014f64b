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
  if (name.length > 253) return 'must be no more than 253 characters';
  if (SUBDOMAIN.test(name)) return undefined;
  return "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
}

export function labelFault(name: string): string | undefined {
  if (name.length > NAME_MAX) return 'must be no more than 63 characters';
  if (LABEL.test(name)) return undefined;
  return "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
}

export function dns1035Fault(name: string): string | undefined {
  if (name.length > NAME_MAX) return 'must be no more than 63 characters';
  if (DNS1035.test(name)) return undefined;
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}
