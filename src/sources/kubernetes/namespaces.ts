import type { Clock } from '../../base/clock.ts';
import { PlatformError } from '../../base/errors.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import type { Seen } from './cluster-event.ts';
import { Lane, type LaneState } from './lane.ts';
import type { WatchedNamespaces } from './plan.ts';

type NamespacesTools = {
  readonly reader: ResourceReader;
  readonly clock: Clock;
  readonly random: () => number;
};
type Named = { readonly createdMs: number; readonly isGone: boolean };

const NAMESPACES_MAX = 10_000;

/** The namespaces that a source watches: one, all by one watch, or those with certain labels as they come and go. */
export class Namespaces {
  readonly #which: WatchedNamespaces;
  readonly #tools: NamespacesTools;
  readonly #onChange: () => void;
  readonly #selected = new Map<string, Named>();
  #lane: Lane | undefined;
  #state: LaneState = { kind: 'starting' };

  constructor(which: WatchedNamespaces, tools: NamespacesTools, onChange: () => void) {
    this.#which = which;
    this.#tools = tools;
    this.#onChange = onChange;
  }

  /** Undefined stands for all of them. */
  get watched(): readonly (string | undefined)[] {
    switch (this.#which.kind) {
      case 'one':
        return [this.#which.namespace];
      case 'all':
        return [undefined];
      case 'selected':
        return [...this.#selected.keys()].toSorted((a, b) => (a < b ? -1 : 1));
    }
  }

  /** When a selected namespace was made. */
  createdMs(namespace: string | undefined): number {
    return this.#selected.get(namespace ?? '')?.createdMs ?? Number.NEGATIVE_INFINITY;
  }

  /** How it stands with following them, where that has to be done. */
  get states(): readonly LaneState[] {
    return this.#lane === undefined ? [] : [this.#state];
  }

  /** Whether some were deleted, and are only watched until what happened in them is told. */
  get hasGone(): boolean {
    return [...this.#selected.values()].some(({ isGone }) => isGone);
  }

  dropGone(): void {
    for (const [name, { isGone }] of this.#selected) if (isGone) this.#selected.delete(name);
  }

  /** Resolves once they are known; rejects when they cannot be listed. */
  async open(): Promise<void> {
    if (this.#which.kind !== 'selected') return;
    const known = Promise.withResolvers<void>();
    const watched = {
      apiVersion: 'v1',
      kind: 'Namespace',
      namespace: undefined,
      selector: this.#which.selector,
    };
    this.#lane = new Lane(
      {
        ...this.#tools,
        watched,
        concerns: () => true,
        tellsExisting: true,
        room: { left: NAMESPACES_MAX },
        take: async (seen) => this.#take(seen),
        onState: (state) => {
          this.#state = state;
          if (state.kind === 'running') known.resolve();
          if (state.kind === 'failing')
            known.reject(new PlatformError(state.code, state.message, { retryable: true }));
          this.#onChange();
        },
        onMoved: () => undefined,
        onLost: () => undefined,
      },
      undefined,
    );
    this.#lane.start();
    await known.promise;
  }

  async close(): Promise<void> {
    await this.#lane?.close();
  }

  /** Its objects go before a namespace does, so that one which was deleted is watched a little longer. */
  #take({ verb, object: { metadata } }: Seen): void {
    const { name, creationTimestamp = '', deletionTimestamp } = metadata;
    const isDeleted = verb === 'delete' && deletionTimestamp !== undefined;
    if (verb === 'delete' && !isDeleted) this.#selected.delete(name);
    else this.#selected.set(name, { createdMs: Date.parse(creationTimestamp), isGone: isDeleted });
    if (this.#state.kind === 'running') this.#onChange();
  }
}
