import { isDeepStrictEqual } from 'node:util';
import type { PatchRule, PatchRules } from '../../apis/patch-rules.ts';
import { badRequest } from '../storage/api-error.ts';

type Members = Readonly<Record<string, unknown>>;
type Key = string; // the member that items are told apart by

const DIRECTIVE = '$patch';
const RETAIN_KEYS = '$retainKeys';
const DELETE_VALUES = '$deleteFromPrimitiveList/';
const ELEMENT_ORDER = '$setElementOrder/';

/**
 * Kubernetes' strategic merge patch (apimachinery pkg/util/strategicpatch): as a merge patch, but that lists whose items
 * have a key are merged by it, and that directives among the members say what to delete, replace, retain and reorder.
 * Throws 400 for a directive that is none and an item without its key.
 */
export function strategicMerge(target: unknown, patch: unknown, rules: PatchRules): unknown {
  if (!isMembers(patch)) return patch;
  const { [DIRECTIVE]: directive = 'merge', [RETAIN_KEYS]: retained, ...members } = patch;
  if (directive === 'replace') return withoutDirectives(members);
  if (directive === 'delete') return {};
  if (directive !== 'merge')
    throw badRequest(`Unknown patch type found. ${DIRECTIVE}: ${JSON.stringify(directive)}`);
  const before = isMembers(target) ? target : {};
  const result = new Map(Object.entries(retained === undefined ? before : onlyOf(before, retained)));
  for (const [name, value] of Object.entries(members)) {
    if (name.startsWith('$')) continue; // below, with the list that it is about
    if (value === null) result.delete(name);
    else result.set(name, merged(result.get(name), value, rules[name] ?? {}));
  }
  for (const [name, values] of Object.entries(members)) listDirective(result, before, name, values, rules);
  return Object.fromEntries(result);
}

function merged(before: unknown, value: unknown, rule: PatchRule): unknown {
  if (!Array.isArray(value)) return strategicMerge(before, value, rule.below ?? {});
  const list: readonly unknown[] = Array.isArray(before) ? before : [];
  if (rule.items === undefined) return withoutDirectives(value);
  if (rule.items === 'values')
    return [...list, ...value.filter((each) => !list.some((known) => isDeepStrictEqual(known, each)))];
  return mergedByKey(list, value, rule.items.by, rule.below ?? {});
}

function mergedByKey(
  before: readonly unknown[],
  patch: readonly unknown[],
  key: Key,
  rules: PatchRules,
): readonly unknown[] {
  const directives = patch.map((item) => (isMembers(item) ? item[DIRECTIVE] : undefined));
  if (directives.includes('replace'))
    return patch.filter((_, i) => directives[i] === undefined).map(withoutDirectives);
  let list = [...before];
  for (const item of patch) {
    const value = keyOf(item, key);
    const at = list.findIndex((known) => isDeepStrictEqual(Reflect.get(Object(known), key), value));
    if (isMembers(item) && item[DIRECTIVE] === 'delete')
      list = list.filter((known) => !isDeepStrictEqual(Reflect.get(Object(known), key), value));
    else if (at < 0) list.push(strategicMerge({}, item, rules));
    else list[at] = strategicMerge(list[at], item, rules);
  }
  return list;
}

function keyOf(item: unknown, key: Key): unknown {
  const value: unknown = Reflect.get(Object(item), key);
  if (value === undefined || value === null)
    throw badRequest(`map: ${JSON.stringify(item)} does not contain declared merge key: ${key}`);
  return value;
}

function listDirective(
  result: Map<string, unknown>,
  before: Members,
  name: string,
  values: unknown,
  rules: PatchRules,
): void {
  if (!name.startsWith('$')) return;
  if (!Array.isArray(values)) throw badRequest(`${name} is no list`);
  if (name.startsWith(DELETE_VALUES)) {
    const field = name.slice(DELETE_VALUES.length);
    const list = listIn(result.get(field));
    const isKept = (each: unknown): boolean => !values.some((value) => isDeepStrictEqual(value, each));
    if (result.has(field)) result.set(field, list.filter(isKept));
  } else if (name.startsWith(ELEMENT_ORDER)) {
    const field = name.slice(ELEMENT_ORDER.length);
    const items = rules[field]?.items;
    const identify = (each: unknown): unknown =>
      typeof items === 'object' ? Reflect.get(Object(each), items.by) : each;
    if (result.has(field))
      result.set(field, ordered(listIn(result.get(field)), values, listIn(before[field]), identify));
  } else throw badRequest(`${name} is no directive of a strategic merge patch`);
}

/**
 * In the order that the patch says; items that it does not name keep their place among the others as it was before, as far
 * as that can be told.
 */
function ordered(
  list: readonly unknown[],
  order: readonly unknown[],
  before: readonly unknown[],
  identify: (item: unknown) => unknown,
): readonly unknown[] {
  const indexIn = (within: readonly unknown[], item: unknown): number =>
    within.findIndex((each) => isDeepStrictEqual(identify(each), identify(item)));
  const byOrder = (within: readonly unknown[], items: readonly unknown[]): unknown[] =>
    items.toSorted((a, b) => indexIn(within, a) - indexIn(within, b));
  const named = byOrder(
    order,
    list.filter((item) => indexIn(order, item) >= 0),
  );
  const others = byOrder(
    before,
    list.filter((item) => indexIn(order, item) < 0),
  );
  const sorted: unknown[] = [];
  while (others.length > 0 && named.length > 0) {
    const [other, next] = [indexIn(before, others[0]), indexIn(before, named[0])];
    sorted.push(next >= 0 && other < next ? others.shift() : named.shift());
  }
  return [...sorted, ...others, ...named];
}

/** What replaces is taken as it is, but for what is said about it. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutDirectives);
  if (!isMembers(value)) return value;
  const kept = Object.entries(value).filter(([name, member]) => !name.startsWith('$') && member !== null);
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutDirectives(member)]));
}

function onlyOf(members: Members, retained: unknown): Members {
  if (!Array.isArray(retained)) throw badRequest(`${RETAIN_KEYS} is no list`);
  return Object.fromEntries(Object.entries(members).filter(([name]) => retained.includes(name)));
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
