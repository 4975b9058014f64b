import type { BackingChannel } from '../apis/duck.ts';
import type { GroupOptions, Start } from '../channels/channel.ts';

/** Knobs that Knative's `delivery` has no field for (contract: Defaults and knobs). */
export const ANNOTATIONS = {
  ordered: 'kafka.eventing.knative.dev/delivery.order',
  inFlightMax: 'delivery.millrace.dev/max-in-flight',
  backlogBytesMax: 'delivery.millrace.dev/max-backlog-bytes',
  start: 'delivery.millrace.dev/start',
  sharedName: 'delivery.millrace.dev/consumer-group',
} as const;

type Annotations = Readonly<Record<string, string>>;

const IN_FLIGHT_MAX = 100;

/**
 * Where an annotation of one Subscription stands on its backing channel: `<annotation>.<uid>`, beside those that are
 * meant for every subscriber. A subscriber entry has no annotations of its own, and a plan depends on the channel alone.
 */
export function annotationOf(annotation: string, uid: string): string {
  return `${annotation}.${uid}`;
}

/** How the channel serves one subscriber: by the annotations meant for it, else by those meant for all; or what is wrong. */
export function groupOptions(annotations: Annotations, uid: string): GroupOptions | string {
  const inFlightMax = read(annotations, uid, ANNOTATIONS.inFlightMax, positive, 'a whole number above 0');
  const bytes = read(annotations, uid, ANNOTATIONS.backlogBytesMax, positive, 'a whole number above 0');
  const isOrdered = read(annotations, uid, ANNOTATIONS.ordered, order, '"ordered" or "unordered"');
  const start = read(
    annotations,
    uid,
    ANNOTATIONS.start,
    startOf,
    '"latest", "earliest" or an RFC 3339 time',
  );
  // Of one subscription only: two that had it from their channel would take each other's events.
  const { [annotationOf(ANNOTATIONS.sharedName, uid)]: named } = annotations;
  const ownName: Annotations = named === undefined ? {} : { [ANNOTATIONS.sharedName]: named };
  const sharedName = read(ownName, uid, ANNOTATIONS.sharedName, brokerName, BROKER_NAME_TEXT);
  const fault = [inFlightMax, bytes, isOrdered, start, sharedName].find(isFault);
  if (fault !== undefined) return fault.fault;
  return {
    start: valueOf(start) ?? 'latest',
    inFlightMax: valueOf(inFlightMax) ?? IN_FLIGHT_MAX,
    isOrdered: valueOf(isOrdered) ?? false,
    backlogBytesMax: valueOf(bytes),
    sharedName: valueOf(sharedName),
  };
}

/**
 * Why a subscriber cannot have a consumer group: another of its channel has it, and is not listed behind it if both have it.
 * Undefined: it can, or wants none of its own.
 */
export function groupTaken(
  { metadata, spec }: BackingChannel,
  uid: string,
  group: string | undefined,
): string | undefined {
  if (group === undefined) return undefined;
  const { annotations = {} } = metadata;
  const has = (each: { readonly uid: string }): boolean =>
    annotations[annotationOf(ANNOTATIONS.sharedName, each.uid)] === group;
  const holder = (spec?.subscribers ?? []).find((each) => has(each));
  if (holder === undefined || holder.uid === uid) return undefined;
  return `consumer group ${group} is that of subscription ${holder.name ?? holder.uid} of the same channel, and the two would take each other's events: give this one another ${ANNOTATIONS.sharedName}, or none`;
}

type Fault = { readonly fault: string };
type Read<T> = { readonly value: T | undefined } | Fault;

function read<T>(
  annotations: Annotations,
  uid: string,
  name: string,
  parse: (text: string) => T | undefined,
  expected: string,
): Read<T> {
  const own = annotationOf(name, uid);
  const key = annotations[own] === undefined ? name : own;
  const text = annotations[key];
  if (text === undefined) return { value: undefined };
  const value = parse(text);
  if (value === undefined)
    return { fault: `annotation ${key} has to be ${expected}, not ${JSON.stringify(text)}` };
  return { value };
}

const isFault = (each: Read<unknown>): each is Fault => 'fault' in each;
const valueOf = <T>(each: Read<T>): T | undefined => ('value' in each ? each.value : undefined);

function positive(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
}

const BROKER_NAME_TEXT = '3 to 200 letters, digits, dots, dashes and underscores, the first a letter';

function brokerName(text: string): string | undefined {
  return /^[A-Za-z][\w.-]{2,199}$/.test(text) ? text : undefined;
}

function order(text: string): boolean | undefined {
  return text === 'ordered' ? true : text === 'unordered' ? false : undefined;
}

function startOf(text: string): Start | undefined {
  if (text === 'latest' || text === 'earliest') return text;
  const sinceMs = RFC_3339.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(sinceMs) ? undefined : { sinceMs };
}

/** With its offset: a time without one would mean another moment on each machine. */
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;
