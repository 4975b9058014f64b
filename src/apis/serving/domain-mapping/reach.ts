import type { FieldError } from '../../kind.ts';
import { labelFault } from '../../names.ts';

type Annotations = Readonly<Record<string, string>>;

/** Ours: what Knative's DomainMapping has no field for (docs/serving/domains-and-tls.md). */
export const WILDCARD = 'networking.millrace.dev/wildcard';
export const PATHS = 'networking.millrace.dev/paths';

/** A Service, of whichever kind, that takes what begins with a path. */
export type PathTarget = { readonly prefix: string; readonly service: string };

/** Whether every name below the domain leads there, too. */
export function isWildcard(annotations: Annotations = {}): boolean {
  return annotations[WILDCARD] === 'true';
}

/** `/api=shop-api, /static=assets`; what is wrong with it is left out, since admission has refused it. */
export function pathTargets(annotations: Annotations = {}): readonly PathTarget[] {
  return written(annotations).flatMap((entry) => {
    const parsed = parse(entry);
    return typeof parsed === 'string' ? [] : [parsed];
  });
}

export function reachErrors(annotations: Annotations = {}): FieldError[] {
  const wildcard = annotations[WILDCARD];
  const faults = written(annotations).flatMap((entry) => {
    const parsed = parse(entry);
    return typeof parsed === 'string' ? [parsed] : [];
  });
  const prefixes = pathTargets(annotations).map(({ prefix }) => prefix);
  const twice = prefixes.find((prefix, i) => prefixes.indexOf(prefix) !== i);
  if (twice !== undefined) faults.push(`${twice} is given twice`);
  return [
    ...(wildcard === undefined || ['true', 'false'].includes(wildcard)
      ? []
      : [{ message: `invalid value: ${wildcard}: true or false is expected`, paths: [WILDCARD] }]),
    ...faults.map((fault) => ({ message: `invalid value: ${fault}`, paths: [PATHS] })),
  ];
}

function written(annotations: Annotations): readonly string[] {
  const text = annotations[PATHS] ?? '';
  return text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

function parse(entry: string): PathTarget | string {
  const [, prefix = '', service = ''] = /^(\/[^\s=?#]*)=(\S+)$/.exec(entry) ?? [];
  if (prefix === '') return `${JSON.stringify(entry)} is not of the form /path=service`;
  const fault = labelFault(service);
  if (fault !== undefined) return `${JSON.stringify(entry)}: ${service}: ${fault}`;
  return { prefix: prefix.length > 1 ? prefix.replace(/\/+$/, '') || '/' : prefix, service };
}
