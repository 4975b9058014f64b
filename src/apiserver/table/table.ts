import { valueAt } from '../../apis/json-path.ts';
import type { KindDefinition, PrinterColumn } from '../../apis/kind.ts';
import type { Resource } from '../../apis/resource.ts';

const NAME: PrinterColumn = { name: 'Name', type: 'string', from: '.metadata.name' };

/** What `kubectl get` prints (meta.k8s.io/v1 Table), from the columns of the kind. */
export function tableOf(
  kind: KindDefinition,
  objects: readonly Resource[],
  list: Readonly<Record<string, unknown>>,
  nowMs: number,
  include: string,
): Record<string, unknown> {
  const hasOwnName = kind.columns.some(({ name }) => name === 'Name');
  const columns = hasOwnName ? kind.columns : [NAME, ...kind.columns];
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: list,
    columnDefinitions: columns.map(({ name, type, priority = 0, description = '' }) => ({
      name,
      type: type === 'date' ? 'string' : type,
      format: name === 'Name' ? 'name' : '',
      description,
      priority,
    })),
    rows: objects.map((object) => ({
      cells: columns.map((column) => cell(column, object, nowMs)),
      object: included(object, include),
    })),
  };
}

function included(object: Resource, include: string): unknown {
  if (include === 'Object') return object;
  if (include === 'None') return undefined;
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata };
}

/** An absent value is an empty cell, as kubectl shows it for custom resources. */
function cell({ type, from }: PrinterColumn, object: Resource, nowMs: number): unknown {
  const value = typeof from === 'string' ? valueAt(object, from) : from(object, nowMs);
  if (type === 'date') return typeof value === 'string' ? duration(nowMs - Date.parse(value)) : '<unknown>';
  if (value === undefined || value === null) return '';
  if (type === 'integer' || type === 'number') return Number(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** apimachinery util/duration HumanDuration. */
export function duration(ms: number): string {
  if (ms < -SECOND * 2) return '<invalid>';
  if (ms < 0) return '0s';
  const [seconds, minutes, hours, days] = [SECOND, MINUTE, HOUR, DAY].map((unit) =>
    Math.floor(ms / unit),
  ) as [number, number, number, number];
  const both = (large: number, largeUnit: string, small: number, smallUnit: string): string =>
    small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
  if (seconds < 120) return `${seconds}s`;
  if (minutes < 10) return both(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return both(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return both(days, 'd', hours % 24, 'h');
  if (days < 730) return `${days}d`;
  return days < 2920 ? both(Math.floor(days / 365), 'y', days % 365, 'd') : `${Math.floor(days / 365)}y`;
}
