import type { PrinterColumn } from '../kind.ts';
import { selectorText, type LabelSelector } from '../label-selector.ts';
import type { Resource } from '../resource.ts';
import { at } from '../core/core-kinds.ts';

/** What `-o wide` adds for whatever has a Pod template (kubernetes pkg/printers/internalversion). */
export function templateColumns(...path: string[]): readonly PrinterColumn[] {
  return [
    { name: 'Containers', type: 'string', from: (object) => joined(object, path, 'name'), priority: 1 },
    { name: 'Images', type: 'string', from: (object) => joined(object, path, 'image'), priority: 1 },
  ];
}

/** The selector in one text. */
export const selectorColumn: PrinterColumn = {
  name: 'Selector',
  type: 'string',
  from: (object) => selectorText((at(object, 'spec', 'selector') ?? {}) as LabelSelector) || '<none>',
  priority: 1,
};

function joined(object: Resource, path: readonly string[], member: string): string {
  const containers = at(object, ...path, 'template', 'spec', 'containers');
  return (Array.isArray(containers) ? containers : []).map((each) => String(at(each, member))).join(',');
}
