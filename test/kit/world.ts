import { afterAll } from 'vitest';
import type { AdmissionContext } from '../../src/apis/kind.ts';
import { KindRegistry } from '../../src/apis/registry.ts';
import { keyOf, type Resource } from '../../src/apis/resource.ts';
import { conditionsAfter } from '../../src/apis/conditions.ts';
import { bindSink } from '../../src/apis/sources/sink-binding/bind.ts';
import { CONTROLLER_USER } from '../../src/apis/messaging/channelable.ts';
import type { Condition } from '../../src/apis/duck.ts';
import { SqliteStore } from '../../src/apiserver/storage/sqlite-store.ts';
import { tableOf } from '../../src/apiserver/table/table.ts';
import { Controller } from '../../src/control/controller.ts';
import { EmbeddedClient } from '../../src/control/embedded/embedded-client.ts';
import { Informers } from '../../src/control/informer.ts';
import { EventRecorder } from '../../src/control/recorder.ts';
import type { Outcome, Reconciler } from '../../src/control/reconciler.ts';
import type { KindName } from '../../src/control/resource-client.ts';
import { FakeClock } from './fake-clock.ts';
import { temporaryFolder } from './folders.ts';
import { namespace, type Open } from './objects.ts';

export type Stated = Open & { readonly status?: Record<string, unknown> };

/** A real store with the namespaces of a platform, seen as its administrator and as its controllers see it. */
export class World {
  readonly clock: FakeClock;
  readonly store: SqliteStore;
  readonly admin: EmbeddedClient;
  readonly controller: EmbeddedClient;
  readonly informers: Informers;

  private constructor(store: SqliteStore, clock: FakeClock) {
    this.clock = clock;
    this.store = store;
    this.admin = new EmbeddedClient(store, 'admin');
    this.controller = new EmbeddedClient(store, CONTROLLER_USER);
    this.informers = new Informers({ reader: this.controller, clock: this.clock, random: () => 0.5 });
  }

  /** Goes with the test file. */
  static async open(): Promise<World> {
    const file = `${temporaryFolder('world')}/objects.db`;
    const clock = new FakeClock();
    const store = await SqliteStore.open({ file, kinds: new KindRegistry(), clock, mutate: bindSink });
    const world = new World(store, clock);
    for (const name of ['default', 'knative-serving', 'knative-eventing'])
      await world.apply(namespace(name) as Stated);
    afterAll(() => world.close());
    return world;
  }

  async close(): Promise<void> {
    await this.informers.stop();
    await this.store.close();
  }

  /** Creates or replaces, as the administrator. */
  apply(object: object): Promise<Stated> {
    return this.admin.apply(object as Stated);
  }

  /** The text of the refusal; throws when there is none. */
  async refusal(object: object): Promise<string> {
    const taken = await this.apply(object).catch((error: unknown) => error);
    if (taken instanceof Error) return taken.message;
    throw new Error(`taken: ${JSON.stringify(taken)}`);
  }

  /** The object as it is stored now. */
  async get(kind: KindName, name: string, space = 'default'): Promise<Stated> {
    const found = await this.controller.find<Stated>(kind, space, name);
    if (found === undefined) throw new Error(`no ${kind.kind} ${space}/${name}`);
    return found;
  }

  configMap(space: string, name: string, fields: Readonly<Record<string, string>>): Promise<Stated> {
    return this.apply({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, namespace: space },
      data: fields,
    });
  }

  /** One pass over one object, with its status written as the runtime writes it. */
  async pass<R extends Resource>(reconciler: Reconciler<R>, name: string): Promise<Outcome> {
    const object = await this.get(reconciler.kind, name);
    const outcome = await reconciler.reconcile(object as Resource as R); // of the reconciler's kind
    const before = (object.status ?? {}) as { conditions?: readonly Condition[] };
    const { conditions = [] } = before;
    const now = this.clock.nowMs();
    const status = {
      ...before,
      ...outcome.status,
      observedGeneration: object.metadata.generation,
      conditions: conditionsAfter(reconciler.conditions, conditions, outcome.marks, now),
    };
    const kept = Object.fromEntries(Object.entries(status).filter(([, value]) => value !== undefined));
    const { resourceVersion: _version, ...metadata } = object.metadata; // as Controller has it
    await this.controller.patchStatus({ ...object, metadata, status: kept });
    return outcome;
  }

  /** Sets the status that another controller would have written. */
  async state(kind: KindName, name: string, status: Record<string, unknown>): Promise<Stated> {
    return this.controller.patchStatus({ ...(await this.get(kind, name)), status });
  }

  /** The version of the last commit: unchanged when nothing was written. */
  get version(): string {
    return this.store.resourceVersion;
  }

  controllerOf<R extends Resource>(
    reconciler: Reconciler<R>,
    onError: (key: string, error: unknown) => void = () => undefined,
  ): Controller<R> {
    return new Controller({
      reconciler,
      client: this.controller,
      informers: this.informers,
      recorder: new EventRecorder(this.controller, this.clock, 'test'),
      clock: this.clock,
      random: () => 0.5,
      onError,
    });
  }

  /** The header and the rows of `kubectl get`. */
  table(kind: KindName, nowMs = this.clock.nowMs()): { header: string[]; rows: unknown[][] } {
    const group = kind.apiVersion.includes('/') ? (kind.apiVersion.split('/')[0] ?? '') : '';
    const definition = this.store.kinds.byKind({ group, kind: kind.kind });
    if (definition === undefined) throw new Error(`no kind ${kind.kind}`);
    const { items } = this.store.list({ group, kind: kind.kind });
    const table = tableOf(definition, items, {}, nowMs, 'None') as {
      columnDefinitions: { name: string }[];
      rows: { cells: unknown[] }[];
    };
    return {
      header: table.columnDefinitions.map(({ name }) => name),
      rows: table.rows.map(({ cells }) => cells),
    };
  }
}

export function conditionIn(object: Stated, type: string): Partial<Condition> | undefined {
  const { conditions = [] } = (object.status ?? {}) as { conditions?: readonly Condition[] };
  const found = conditions.find((each) => each.type === type);
  if (found === undefined) return undefined;
  const { lastTransitionTime: _time, type: _type, ...rest } = found;
  return rest;
}

/** What admission of a new object knows, for calling a kind directly. */
export const created = (
  configMaps: Readonly<Record<string, Record<string, string>>> = {},
): AdmissionContext => ({
  operation: 'CREATE',
  old: undefined,
  user: 'admin',
  configMap: (space, name) => configMaps[`${space}/${name}`],
});

export { keyOf };
