import { readFileSync } from 'node:fs';
import { isReady } from '../apis/conditions.ts';
import { apiVersionOf, groupOf, KindRegistry } from '../apis/registry.ts';
import type { Resource } from '../apis/resource.ts';
import type { ApiClient } from './client.ts';
import { EXIT, UserError } from './command.ts';

const KINDS = new KindRegistry();

/** Creates what the documents of a YAML file describe, in `default` unless they say another; what exists stays as it is. */
export async function applyFile(client: ApiClient, file: string): Promise<readonly Resource[]> {
  const { parseAllDocuments } = await import('yaml');
  const documents = parseAllDocuments(readFileSync(file, 'utf8'), { version: '1.1' });
  const objects = [...documents]
    .map((document) => document.toJS() as Resource)
    .filter((object) => object !== null);
  for (const object of objects) {
    await client.post(collectionOf(object), object).catch((error: unknown) => {
      if (!(error instanceof UserError) || error.exit !== EXIT.conflict) throw error;
    });
  }
  return objects;
}

/** Polls until an object is Ready; throws with its conditions when that takes longer than `withinMs`. */
export async function untilReady(client: ApiClient, object: Resource, withinMs: number): Promise<void> {
  const endMs = Date.now() + withinMs;
  for (;;) {
    const found = await client.get<Resource & { readonly status?: unknown }>(
      `${collectionOf(object)}/${object.metadata.name}`,
    );
    if (isReady(found)) return;
    if (Date.now() > endMs) {
      throw new UserError(
        'MR0060',
        `${object.kind} ${object.metadata.name} is not ready after ${withinMs} ms`,
        { why: JSON.stringify(Reflect.get(Object(found.status), 'conditions')), exit: EXIT.timedOut },
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function collectionOf({ apiVersion, kind: name, metadata }: Resource): string {
  const kind = KINDS.byKind({ group: groupOf(apiVersion), kind: name });
  if (kind === undefined)
    throw new UserError('MR0061', `${apiVersion} ${name} is no kind of this platform`, { exit: EXIT.failed });
  const root = kind.group === '' ? '/api/v1' : `/apis/${apiVersionOf(kind)}`;
  return kind.scope === 'Cluster'
    ? `${root}/${kind.plural}`
    : `${root}/namespaces/${metadata.namespace ?? 'default'}/${kind.plural}`;
}
