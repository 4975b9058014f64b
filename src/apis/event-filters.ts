import { cesqlFilter, cesqlFilterFault, type CesqlFilter } from './cesql/filter.ts';
import { below, invalidKeyName, invalidValue } from './field-error.ts';
import type { FieldError } from './kind.ts';

type Attributes = Readonly<Record<string, string>>;

/** A filter of the CloudEvents Subscriptions API (eventing pkg/apis/eventing/v1 SubscriptionsAPIFilter): one dialect each. */
export type EventFilter = {
  readonly exact?: Attributes;
  readonly prefix?: Attributes;
  readonly suffix?: Attributes;
  readonly all?: readonly EventFilter[];
  readonly any?: readonly EventFilter[];
  readonly not?: EventFilter;
  readonly cesql?: string;
};

const DEPTH_MAX = 32;

/** What makes them no filters, in upstream's words; paths are relative to the list. */
export function eventFilterErrors(filters: readonly EventFilter[], depth = 0): FieldError[] {
  return filters.flatMap((filter, i) => below(`[${i}]`, errorsIn(filter, depth)));
}

function errorsIn(filter: EventFilter, depth: number): FieldError[] {
  if (depth > DEPTH_MAX) return [invalidValue('…', '', `filters are nested deeper than ${DEPTH_MAX} levels`)];
  const misshapen = shapeErrors(filter);
  if (misshapen.length > 0) return misshapen;
  const { exact, prefix, suffix, all = [], any = [], not, cesql } = filter;
  const named = { exact, prefix, suffix };
  const dialects = [
    ...Object.values(named).filter((attributes) => attributes !== undefined && count(attributes) > 0),
    ...[all, any].filter((list) => list.length > 0),
    ...[not, cesql].filter((each) => each !== undefined && each !== ''),
  ];
  const many = 'multiple dialects found, filters can have only one dialect set';
  return [
    ...(dialects.length > 1 ? [{ message: many, paths: [] }] : []),
    ...Object.entries(named).flatMap(([dialect, attributes = {}]) => nameErrors(dialect, attributes)),
    ...eventFilterErrors(all, depth + 1).map((error) => inList('all', error)),
    ...eventFilterErrors(any, depth + 1).map((error) => inList('any', error)),
    ...(not === undefined ? [] : below('not', errorsIn(not, depth + 1))),
    ...cesqlErrors(cesql),
  ];
}

function cesqlErrors(text = ''): FieldError[] {
  const fault = text === '' ? undefined : cesqlFilterFault(text);
  return fault === undefined ? [] : [invalidValue(text, 'cesql', fault)];
}

/** The CRD leaves them open, as they nest, so their shapes are checked here. */
function shapeErrors(filter: unknown): FieldError[] {
  if (!isObject(filter)) return [invalidValue(filter, '', 'a filter is an object')];
  const expected: Readonly<Record<string, (value: unknown) => boolean>> = {
    exact: isStringMap,
    prefix: isStringMap,
    suffix: isStringMap,
    all: Array.isArray,
    any: Array.isArray,
    not: isObject,
    cesql: (value) => typeof value === 'string',
  };
  return Object.entries(filter).flatMap(([name, value]) => {
    const isRight = Object.hasOwn(expected, name) ? expected[name] : undefined;
    if (isRight === undefined)
      return [invalidKeyName(name, '', `one of ${Object.keys(expected).join(', ')} is expected`)];
    return value === undefined || isRight(value) ? [] : [invalidValue(value, name)];
  });
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isStringMap = (value: unknown): boolean =>
  isObject(value) && Object.values(value).every((each) => typeof each === 'string');

const count = (attributes: Attributes): number => Object.keys(attributes).length;

const inList = (dialect: string, error: FieldError): FieldError => ({
  ...error,
  paths: error.paths.map((path) => dialect + path),
});

function nameErrors(dialect: string, attributes: Attributes): FieldError[] {
  const why = 'Attribute name must start with a letter and can only contain lowercase alphanumeric';
  return Object.keys(attributes)
    .filter((name) => !/^[a-z][a-z0-9]*$/.test(name))
    .map((name) => invalidKeyName(name, `${dialect}[${name}]`, why));
}

/** Whether all of them pass (eventing pkg/eventfilter/subscriptionsapi); an attribute that is not there fails. */
export function passesFilters(
  filters: readonly EventFilter[],
  attributes: ReadonlyMap<string, string>,
): boolean {
  return filters.every((filter) => passes(filter, attributes));
}

/** An expression is read once for each filter, not for each event. */
const READ = new WeakMap<EventFilter, CesqlFilter>();

function passesCesql(filter: EventFilter, attributes: ReadonlyMap<string, string>): boolean {
  if (filter.cesql === undefined || filter.cesql === '') return true;
  const known = READ.get(filter) ?? cesqlFilter(filter.cesql);
  READ.set(filter, known);
  return known(attributes);
}

function passes(filter: EventFilter, attributes: ReadonlyMap<string, string>): boolean {
  const { exact, prefix, suffix, all = [], any = [], not } = filter;
  const holds = (wanted: Attributes = {}, test: (value: string, part: string) => boolean): boolean =>
    Object.entries(wanted).every(([name, part]) => {
      const value = attributes.get(name);
      return value !== undefined && test(value, part);
    });
  return (
    holds(exact, (value, part) => value === part) &&
    holds(prefix, (value, part) => value.startsWith(part)) &&
    holds(suffix, (value, part) => value.endsWith(part)) &&
    all.every((each) => passes(each, attributes)) &&
    (any.length === 0 || any.some((each) => passes(each, attributes))) &&
    (not === undefined || !passes(not, attributes)) &&
    passesCesql(filter, attributes)
  );
}
