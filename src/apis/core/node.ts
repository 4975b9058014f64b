import Type from 'typebox';
import { NODE_RULES } from '../patch-rules.ts';
import { openObject } from '../schema.ts';
import type { Resource } from '../resource.ts';
import { AGE, at, core, shown } from './core-kinds.ts';

/** Of the one machine of a standalone platform, where every Pod is. */
export const NODE_NAME = 'millrace';

/** A machine; a standalone platform has one. Columns as kubernetes pkg/printers/internalversion, printNode. */
export const nodeKind = core({
  kind: 'Node',
  plural: 'nodes',
  shortNames: ['no'],
  scope: 'Cluster',
  subresources: { status: true },
  patchRules: NODE_RULES,
  schema: Type.Object({
    spec: Type.Optional(openObject('Taints, pod network.')),
    status: Type.Optional(openObject('Addresses, capacity, conditions.')),
  }),
  columns: [
    { name: 'Status', type: 'string', from: readiness },
    { name: 'Roles', type: 'string', from: roles },
    AGE,
    { name: 'Version', type: 'string', from: '.status.nodeInfo.kubeletVersion' },
    { name: 'Internal-IP', type: 'string', from: (node) => address(node, 'InternalIP'), priority: 1 },
    { name: 'External-IP', type: 'string', from: (node) => address(node, 'ExternalIP'), priority: 1 },
    { name: 'OS-Image', type: 'string', from: '.status.nodeInfo.osImage', priority: 1 },
    { name: 'Kernel-Version', type: 'string', from: '.status.nodeInfo.kernelVersion', priority: 1 },
    {
      name: 'Container-Runtime',
      type: 'string',
      from: '.status.nodeInfo.containerRuntimeVersion',
      priority: 1,
    },
  ],
});

function listAt(node: Resource, name: string): readonly unknown[] {
  const found = at(node, 'status', name);
  return Array.isArray(found) ? found : [];
}

function readiness(node: Resource): string {
  const ready = listAt(node, 'conditions').find((each) => at(each, 'type') === 'Ready');
  return ready === undefined ? 'Unknown' : at(ready, 'status') === 'True' ? 'Ready' : 'NotReady';
}

const ROLE = 'node-role.kubernetes.io/';

function roles({ metadata }: Resource): string {
  const all = Object.keys(metadata.labels ?? {}).filter((label) => label.startsWith(ROLE));
  return all.length === 0 ? '<none>' : all.map((label) => label.slice(ROLE.length)).join(',');
}

function address(node: Resource, type: string): string {
  return shown(
    listAt(node, 'addresses').find((each) => at(each, 'type') === type),
    '<none>',
    'address',
  );
}
