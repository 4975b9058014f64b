import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import type { PlatformError } from '../../base/errors.ts';
import { rfc3339 } from '../../apis/conditions.ts';
import type { AdmissionContext, GroupKind, KindDefinition } from '../../apis/kind.ts';
import { groupOf, type KindRegistry } from '../../apis/registry.ts';
import type { Resource } from '../../apis/resource.ts';
import { admit, type Mutate } from './admission.ts';
import { alreadyExists, ApiError, badRequest, conflict, notFound } from './api-error.ts';
import { ObjectLog } from './object-log.ts';
import { finalizersFor } from './dependents.ts';
import {
  asStored,
  freshMetadata,
  isNamespaceInUse,
  stamped,
  withMainOf,
  withoutStatus,
  withStatusOf,
} from './object-rules.ts';
import type {
  Listed,
  ListOptions,
  ObjectKey,
  RemoveOptions,
  ResourceStore,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from './resource-store.ts';
import { OwnerIndex } from './owner-index.ts';
import { Watchers, type Change } from './watchers.ts';

export type StoreOptions = {
  readonly file: string;
  readonly kinds: KindRegistry;
  readonly clock: Clock;
  readonly historyMax?: number;
  readonly acceptLoss?: boolean;
  readonly onFailure?: (error: PlatformError) => void;
  /** Changes each object on its way in, by what is stored beside it: what upstream has mutating webhooks for. */
  readonly mutate?: (object: Resource, stored: Stored) => Resource;
};

/** The objects of a kind as they are now, in one namespace or all. */
type Stored = (kind: GroupKind, namespace: string | undefined) => readonly Resource[];

const HISTORY_MAX = 10_000;
const GENERATE_TRIES = 8;

/** ResourceStore on SQLite: everything committed is in memory, every write goes through the worker first. */
export class SqliteStore implements ResourceStore {
  readonly kinds: KindRegistry;
  readonly #clock: Clock;
  readonly #log: ObjectLog;
  readonly #watchers: Watchers;
  readonly #mutate: Mutate;
  readonly #objects = new Map<string, Map<string, Resource>>();
  readonly #owners = new OwnerIndex();
  readonly #turns = new Map<string, Promise<unknown>>(); // one write at a time for each object
  #version: number;
  #committed: number;

  private constructor(options: StoreOptions, log: ObjectLog) {
    const { kinds, clock, historyMax = HISTORY_MAX, mutate } = options;
    const stored: Stored = (kind, namespace) => this.list({ ...kind, namespace }).items;
    this.#mutate = (object) => mutate?.(object, stored) ?? object;
    this.kinds = kinds;
    this.#clock = clock;
    this.#log = log;
    const { objects, history, version, oldest } = log.opened;
    this.#version = version;
    this.#committed = version;
    for (const json of objects) this.#put(JSON.parse(json) as Resource); // written by this class
    this.#watchers = new Watchers(
      withBefore(history.map(({ json, ...row }) => ({ ...row, object: JSON.parse(json) as Resource }))),
      oldest,
      historyMax,
    );
  }

  static async open(options: StoreOptions): Promise<SqliteStore> {
    const { file, historyMax = HISTORY_MAX, acceptLoss = false, onFailure = () => undefined } = options;
    return new SqliteStore(options, await ObjectLog.open({ file, historyMax, acceptLoss }, onFailure));
  }

  get resourceVersion(): string {
    return String(this.#committed);
  }

  find({ group, kind, namespace, name }: ObjectKey): Resource | undefined {
    return this.#objects.get(bucket({ group, kind }))?.get(`${namespace ?? ''}/${name}`);
  }

  /** All objects, of any kind, that name this one as an owner of theirs. */
  dependentsOf(uid: string): readonly Resource[] {
    return [...this.#owners.of(uid)];
  }

  list({ group, kind, namespace, matches, limit, continueToken }: ListOptions): Listed {
    const after = continueToken === undefined ? '' : decodeToken(continueToken);
    const all = [...(this.#objects.get(bucket({ group, kind })) ?? [])]
      .filter(
        ([key, object]) =>
          key > after && (namespace === undefined || object.metadata.namespace === namespace),
      )
      .filter(([, object]) => matches === undefined || matches(object))
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    const shown = limit === undefined || limit === 0 ? all : all.slice(0, limit);
    const rest = all.length - shown.length;
    const last = shown.at(-1)?.[0];
    return {
      items: shown.map(([, object]) => object),
      resourceVersion: this.resourceVersion,
      continueToken: rest > 0 && last !== undefined ? Buffer.from(last).toString('base64url') : undefined,
      remainingItemCount: rest > 0 ? rest : undefined,
    };
  }

  async create(object: Resource, options: WriteOptions): Promise<Resource> {
    const kind = this.#kindOf(object);
    const { generateName } = object.metadata;
    if (!object.metadata.name && generateName) {
      for (let i = 0; i < GENERATE_TRIES; i += 1) {
        const name = generateName + randomSuffix();
        if (this.find(keyOf(kind, object.metadata.namespace, name)) === undefined)
          return this.create({ ...object, metadata: { ...object.metadata, name } }, options);
      }
      throw alreadyExists(kind, generateName);
    }
    if (!object.metadata.name) throw invalidName(kind);
    const key = keyOf(kind, this.#namespaceFor(kind, object), object.metadata.name);
    return this.#inTurn(key, async () => {
      if (this.find(key) !== undefined) throw alreadyExists(kind, key.name);
      const metadata = freshMetadata(object.metadata, key.namespace, this.#clock.nowMs());
      const admitted = admit(
        kind,
        withoutStatus(kind, { ...object, metadata }),
        this.#context('CREATE', undefined, options),
        this.#mutate,
      );
      const next = stamped(kind, asStored(admitted), undefined, options);
      return options.dryRun === true ? next : this.#commit('ADDED', kind, next, undefined);
    });
  }

  update(key: ObjectKey, change: (stored: Resource) => Resource, options: WriteOptions): Promise<Resource> {
    return this.#inTurn(key, async () => {
      const kind = this.#kindOfKey(key);
      const stored = this.find(key);
      if (stored === undefined) throw notFound(kind, key.name);
      const desired = change(stored);
      const { name, resourceVersion } = desired.metadata;
      if (name !== key.name)
        throw badRequest(`the name of the object (${name}) does not match the name on the URL (${key.name})`);
      if (
        resourceVersion !== undefined &&
        resourceVersion !== '' &&
        resourceVersion !== stored.metadata.resourceVersion
      )
        throw conflict(kind, key.name);
      if (desired.metadata.uid !== undefined && desired.metadata.uid !== stored.metadata.uid) {
        throw conflict(
          kind,
          key.name,
          `Precondition failed: UID in precondition: ${desired.metadata.uid}, UID in object meta: ${stored.metadata.uid}`,
        );
      }
      const merged =
        options.part === 'status' ? withStatusOf(desired, stored) : withMainOf(kind, desired, stored);
      const mutate = options.part === 'status' ? undefined : this.#mutate;
      const admitted = admit(kind, merged, this.#context('UPDATE', stored, options), mutate);
      const next = stamped(kind, asStored(admitted), stored, options);
      if (isDeepStrictEqual(next, stored)) return stored; // S3
      if (options.dryRun === true) return next;
      const isGone =
        next.metadata.deletionTimestamp !== undefined &&
        (next.metadata.finalizers ?? []).length === 0 &&
        !isNamespaceInUse(kind, next);
      return this.#commit(isGone ? 'DELETED' : 'MODIFIED', kind, next, stored); // S6
    });
  }

  remove(key: ObjectKey, options: RemoveOptions): Promise<Resource> {
    return this.#inTurn(key, async () => {
      const kind = this.#kindOfKey(key);
      const stored = this.find(key);
      if (stored === undefined) throw notFound(kind, key.name);
      const { uid, resourceVersion } = stored.metadata;
      if (options.uid !== undefined && options.uid !== uid) {
        throw conflict(
          kind,
          key.name,
          `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`,
        );
      }
      if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion)
        throw conflict(kind, key.name);
      if (options.dryRun === true) return stored;
      const finalizers = finalizersFor(stored, options.propagation);
      const isHeld = finalizers.length > 0 || isNamespaceInUse(kind, stored);
      if (!isHeld) return this.#commit('DELETED', kind, stored, stored);
      const isMarked = stored.metadata.deletionTimestamp !== undefined;
      if (isMarked && finalizers === stored.metadata.finalizers) return stored;
      const marked = {
        ...stored.metadata,
        ...(finalizers.length > 0 && { finalizers }),
        deletionTimestamp: stored.metadata.deletionTimestamp ?? rfc3339(this.#clock.nowMs()),
        deletionGracePeriodSeconds: 0,
      };
      const status = kind.kind === 'Namespace' ? { status: { phase: 'Terminating' } } : {};
      return this.#commit('MODIFIED', kind, { ...stored, metadata: marked, ...status }, stored);
    });
  }

  watch(options: WatchOptions): AsyncIterable<WatchEvent> {
    return this.#watchers.watch(options);
  }

  backup(file: string): Promise<void> {
    return this.#log.backup(file);
  }

  close(): Promise<void> {
    return this.#log.close();
  }

  async #commit(
    type: Change['type'],
    kind: KindDefinition,
    object: Resource,
    before: Resource | undefined,
  ): Promise<Resource> {
    const version = (this.#version += 1);
    const stored: Resource = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(version) },
    };
    const { namespace = '', name } = stored.metadata;
    const { group } = kind;
    await this.#log.append({
      version,
      type,
      group,
      kind: kind.kind,
      namespace,
      name,
      json: JSON.stringify(stored),
    }); // S1
    this.#committed = version;
    if (type === 'DELETED') this.#drop({ group, kind: kind.kind }, `${namespace}/${name}`);
    else this.#put(stored);
    this.#watchers.announce({ version, type, group, kind: kind.kind, object: stored, before });
    return stored;
  }

  #put(object: Resource): void {
    const key = bucket({ group: groupOf(object.apiVersion), kind: object.kind });
    const objects = this.#objects.get(key) ?? new Map<string, Resource>();
    const name = `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
    this.#owners.put(object, objects.get(name));
    this.#objects.set(key, objects.set(name, object));
  }

  #drop(kind: GroupKind, name: string): void {
    const objects = this.#objects.get(bucket(kind));
    const object = objects?.get(name);
    if (object !== undefined) this.#owners.drop(object);
    objects?.delete(name);
  }

  #inTurn<T>(key: ObjectKey, write: () => Promise<T>): Promise<T> {
    const id = `${bucket(key)}/${key.namespace ?? ''}/${key.name}`;
    const turn = (this.#turns.get(id) ?? Promise.resolve()).then(write, write);
    this.#turns.set(id, turn);
    const forget = (): void => {
      if (this.#turns.get(id) === turn) this.#turns.delete(id);
    };
    turn.then(forget, forget);
    return turn;
  }

  #context(
    operation: AdmissionContext['operation'],
    old: Resource | undefined,
    { writer }: WriteOptions,
  ): AdmissionContext {
    const configMap = (namespace: string, name: string): Readonly<Record<string, string>> | undefined => {
      const found = this.find({ group: '', kind: 'ConfigMap', namespace, name });
      return found === undefined ? undefined : ((Reflect.get(found, 'data') ?? {}) as Record<string, string>); // by its schema
    };
    return { operation, old, user: writer.user, configMap };
  }

  #namespaceFor(kind: KindDefinition, { metadata }: Resource): string | undefined {
    if (kind.scope === 'Cluster') return undefined;
    const namespace = metadata.namespace ?? 'default';
    const found = this.find({ group: '', kind: 'Namespace', namespace: undefined, name: namespace });
    if (found === undefined)
      throw new ApiError(404, 'NotFound', `namespaces "${namespace}" not found`, {
        name: namespace,
        kind: 'namespaces',
      });
    if (found.metadata.deletionTimestamp !== undefined && kind.kind !== 'Event') {
      const text = `${kind.plural} "${metadata.name}" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`;
      throw new ApiError(403, 'Forbidden', text);
    }
    return namespace;
  }

  #kindOf({ apiVersion, kind }: Resource): KindDefinition {
    return this.#kindOfKey({ group: groupOf(apiVersion), kind });
  }

  #kindOfKey(key: GroupKind): KindDefinition {
    const found = this.kinds.byKind(key);
    if (found === undefined)
      throw new ApiError(
        404,
        'NotFound',
        `the server could not find the requested resource (${key.kind} in ${key.group || 'v1'})`,
      );
    return found;
  }
}

const bucket = ({ group, kind }: GroupKind): string => `${group}/${kind}`;
const keyOf = ({ group, kind }: KindDefinition, namespace: string | undefined, name: string): ObjectKey => ({
  group,
  kind,
  namespace,
  name,
});
function withBefore(history: readonly Omit<Change, 'before'>[]): Change[] {
  const last = new Map<string, Resource>();
  return history.map((change) => {
    const key = `${bucket(change)}/${change.object.metadata.namespace ?? ''}/${change.object.metadata.name}`;
    const before = change.type === 'ADDED' ? undefined : last.get(key);
    last.set(key, change.object);
    return { ...change, before };
  });
}

function invalidName({ kind, group }: KindDefinition): ApiError {
  const title = group === '' ? kind : `${kind}.${group}`;
  return new ApiError(
    422,
    'Invalid',
    `${title} "" is invalid: metadata.name: Required value: name or generateName is required`,
  );
}

/** Without vowels and look-alikes, as apimachinery draws them. */
function randomSuffix(): string {
  const letters = 'bcdfghjklmnpqrstvwxz2456789';
  return [...randomBytes(5)].map((byte) => letters[byte % letters.length]).join('');
}

function decodeToken(token: string): string {
  const key = Buffer.from(token, 'base64url').toString();
  if (!key.includes('/')) throw badRequest('the continue parameter is not one that was given out');
  return key;
}
