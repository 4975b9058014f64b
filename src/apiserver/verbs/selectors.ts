import type { KindDefinition } from '../../apis/kind.ts';
import { valueAt } from '../../apis/json-path.ts';
import type { Resource } from '../../apis/resource.ts';
import { badRequest } from '../storage/api-error.ts';

type Match = (object: Resource) => boolean;

/** Parses both selectors of a request into one predicate; undefined when there are none. Throws a BadRequest. */
export function selectorsOf(
  kind: KindDefinition,
  labels: string | undefined,
  fields: string | undefined,
): Match | undefined {
  const matches = [...labelMatches(labels ?? ''), ...fieldMatches(kind, fields ?? '')];
  return matches.length === 0 ? undefined : (object) => matches.every((match) => match(object));
}

const REQUIREMENT =
  /^\s*(!?)\s*([A-Za-z0-9./_-]+)\s*(?:(==|=|!=)\s*([A-Za-z0-9._-]*)|\s(in|notin)\s*\(([^)]*)\))?\s*$/;

function labelMatches(selector: string): Match[] {
  if (selector.trim() === '') return [];
  // Commas inside parentheses belong to a set.
  return selector.split(/,(?![^(]*\))/).map((part) => {
    const found = REQUIREMENT.exec(part);
    if (found === null)
      throw badRequest(`unable to parse requirement: ${JSON.stringify(part.trim())} is no label selector`);
    const [, not, key = '', operator, value = '', set, members = ''] = found;
    const labelOf = ({ metadata }: Resource): string | undefined => metadata.labels?.[key];
    const values = set === undefined ? [value] : members.split(',').map((each) => each.trim());
    const isIn: Match = (object) => values.includes(labelOf(object) ?? '\0');
    if (operator === undefined && set === undefined)
      return not === '!'
        ? (object) => labelOf(object) === undefined
        : (object) => labelOf(object) !== undefined;
    return operator === '!=' || set === 'notin' ? (object) => !isIn(object) : isIn;
  });
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  Event: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'type',
    'source',
  ],
  Pod: ['status.phase', 'spec.nodeName', 'spec.restartPolicy', 'status.podIP'],
  Namespace: ['status.phase'],
  Secret: ['type'],
};

function fieldMatches({ kind }: KindDefinition, selector: string): Match[] {
  if (selector.trim() === '') return [];
  const known = ['metadata.name', 'metadata.namespace', ...(FIELDS[kind] ?? [])];
  return selector.split(',').map((part) => {
    const [, field = '', operator = '', value = ''] =
      /^\s*([A-Za-z.]+)\s*(==|=|!=)\s*(.*?)\s*$/.exec(part) ?? [];
    if (operator === '') throw badRequest(`invalid field selector: ${JSON.stringify(part)}`);
    if (!known.includes(field)) throw badRequest(`field label not supported: ${field}`);
    const read = (object: Resource): string => {
      const found = valueAt(object, `.${field}`);
      return typeof found === 'string' ? found : '';
    };
    return operator === '!=' ? (object) => read(object) !== value : (object) => read(object) === value;
  });
}
