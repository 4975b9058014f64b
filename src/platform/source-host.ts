import { isDeepStrictEqual } from 'node:util';
import { keyOf } from '../apis/resource.ts';
import type { SourceObject } from '../apis/sources/source-kind.ts';
import type { Clock } from '../base/clock.ts';
import type { ResourceReader } from '../control/resource-client.ts';
import type { EventSink } from '../events/sink.ts';
import type { SourceHost } from '../sources/control/source-reconciler.ts';
import { patientDelivery } from '../sources/patient-delivery.ts';
import type { Patience, RunningSource, SourceAdapter, SourceState, SourceTools } from '../sources/source.ts';
import type { Bookmarks } from './bookmarks.ts';

export type SourceHostOptions = {
  readonly clock: Clock;
  readonly reader: ResourceReader;
  readonly bookmarks: Bookmarks;
  readonly clusterAt: SourceTools['clusterAt'];
  /** The sink at a URL: a channel of this platform, or whatever answers there. */
  readonly sinkAt: (url: string) => EventSink;
  readonly adapterOf: (source: SourceObject) => Promise<SourceAdapter<unknown>>;
  /** Gives up what a source has accepted for good and its sink has not taken; says how many events that were. */
  readonly giveUp: (source: SourceObject) => Promise<number>;
  /** How it stands with a source has changed. */
  readonly onChange: (source: SourceObject) => void;
  /** Something that was lost, for `kubectl describe`. */
  readonly onWarning: (source: SourceObject, reason: string, message: string) => void;
};

type Running = {
  object: SourceObject;
  readonly inputs: unknown;
  readonly source: RunningSource;
  state: SourceState;
  /** Why the sink has not taken an event, beside what the source says of its origin. */
  trouble: string | undefined;
};

/** The sources of this platform, all in this process: each runs by its plan, and runs anew when that changes. */
export class Sources implements SourceHost {
  readonly #options: SourceHostOptions;
  readonly #running = new Map<string, Running>(); // by uid
  #isClosed = false;

  constructor(options: SourceHostOptions) {
    this.#options = options;
  }

  async run(object: SourceObject, plan: unknown, sinkUrl: string): Promise<SourceState> {
    const uid = object.metadata.uid ?? '';
    const extensions = object.spec.ceOverrides?.extensions ?? {};
    const inputs = { plan, sinkUrl, extensions };
    const known = this.#running.get(uid);
    if (known !== undefined && isDeepStrictEqual(known.inputs, inputs)) {
      known.object = object;
      return stateOf(known);
    }
    await known?.source.close();
    if (this.#isClosed) return { kind: 'starting' };
    const adapter = await this.#options.adapterOf(object);
    const tools = {
      ...this.#toolsFor(object),
      deliver: this.#deliveryFor(object, sinkUrl, extensions, adapter.patienceOf?.(plan)),
    };
    const running: Running = {
      object,
      inputs,
      source: IDLE,
      state: { kind: 'starting' },
      trouble: undefined,
    };
    this.#running.set(uid, running);
    Object.assign(running, { source: adapter.open(plan, tools) });
    return stateOf(running);
  }

  async stop({ metadata: { uid = '' } }: SourceObject): Promise<void> {
    const running = this.#running.get(uid);
    this.#running.delete(uid);
    await running?.source.close();
  }

  async remove(object: SourceObject, plan: unknown): Promise<number> {
    await this.stop(object);
    const adapter = plan === undefined ? undefined : await this.#options.adapterOf(object);
    await adapter?.remove?.(plan, this.#toolsFor(object));
    await this.#options.bookmarks.forget(object.metadata.uid ?? '');
    return this.#options.giveUp(object);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running.values()].map(({ source }) => source.close()));
  }

  #toolsFor(object: SourceObject): Omit<SourceTools, 'deliver'> {
    const { clock, reader, clusterAt, bookmarks, onWarning } = this.#options;
    const { uid = '' } = object.metadata;
    return {
      clock,
      random: Math.random,
      reader,
      clusterAt,
      bookmark: bookmarks.of(uid),
      tell: (state) => this.#change(uid, (running) => (running.state = state)),
      warn: (reason, message) => onWarning(object, reason, message),
    };
  }

  #deliveryFor(
    object: SourceObject,
    sinkUrl: string,
    extensions: Readonly<Record<string, string>>,
    patience: Patience | undefined,
  ): SourceTools['deliver'] {
    const { clock, sinkAt } = this.#options;
    const { uid = '' } = object.metadata;
    return patientDelivery({
      sink: sinkAt(sinkUrl),
      clock,
      random: Math.random,
      origin: `${object.kind}/${keyOf(object)}`,
      sinkUrl,
      patience,
      extensions: new Map(Object.entries(extensions)),
      onTrouble: (message) => this.#change(uid, (running) => (running.trouble = message)),
    });
  }

  #change(uid: string, change: (running: Running) => void): void {
    const running = this.#running.get(uid);
    if (running === undefined) return;
    const before = JSON.stringify(stateOf(running));
    change(running);
    if (JSON.stringify(stateOf(running)) !== before) this.#options.onChange(running.object);
  }
}

const IDLE: RunningSource = { close: async () => undefined };

/** A sink that takes nothing is what people have to know first. */
function stateOf({ state, trouble }: Running): SourceState {
  if (trouble === undefined) return state;
  return { kind: 'failing', condition: 'SinkProvided', reason: 'SinkRefuses', message: trouble };
}
