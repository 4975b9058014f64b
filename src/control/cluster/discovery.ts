import { PlatformError } from '../../base/errors.ts';
import type { KindName } from '../resource-client.ts';
import type { Connection } from './connection.ts';

/** How objects of a kind are called in paths. */
export type ServedKind = { readonly plural: string; readonly isNamespaced: boolean; readonly path: string };

type ResourceList = {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
  }[];
};

const AGE_MAX_MS = 60_000;
/** A kind that was not there may be new. */
const MISS_AGE_MAX_MS = 1000;
const GROUPS_MAX = 1000;

/** Which kinds an API server serves, asked for by group and version, and remembered for a minute. */
export class Discovery {
  readonly #connection: Connection;
  readonly #known = new Map<
    string,
    { readonly list: Promise<ResourceList | undefined>; readonly ms: number }
  >();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Undefined of a kind that it does not serve. */
  async find({ apiVersion, kind }: KindName): Promise<ServedKind | undefined> {
    const version = apiVersion.split('/').map(encodeURIComponent).join('/');
    const base = `${apiVersion.includes('/') ? '/apis' : '/api'}/${version}`;
    for (const ageMaxMs of [AGE_MAX_MS, MISS_AGE_MAX_MS]) {
      const list = await this.#list(base, ageMaxMs);
      const found = list?.resources?.find((each) => each.kind === kind && !each.name.includes('/'));
      if (found !== undefined) return { plural: found.name, isNamespaced: found.namespaced, path: base };
    }
    return undefined;
  }

  async served(kind: KindName): Promise<ServedKind> {
    const found = await this.find(kind);
    if (found !== undefined) return found;
    const message = `the server could not find the requested resource (${kind.kind} in ${kind.apiVersion})`;
    throw new PlatformError('NOTFOUND', message, { retryable: false }); // W4
  }

  #list(base: string, ageMaxMs: number): Promise<ResourceList | undefined> {
    const known = this.#known.get(base);
    if (known !== undefined && Date.now() - known.ms < ageMaxMs) return known.list;
    const list = this.#connection.ask<ResourceList>({ path: base }).catch((error: unknown) => {
      this.#known.delete(base);
      if (error instanceof PlatformError && error.code === 'NOTFOUND') return undefined;
      throw error;
    });
    if (this.#known.size >= GROUPS_MAX) this.#known.clear();
    this.#known.set(base, { list, ms: Date.now() });
    return list;
  }
}
