import type { Clock } from '../base/clock.ts';
import type { Condition } from '../apis/duck.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import type { Informers } from '../control/informer.ts';
import type { KindName } from '../control/resource-client.ts';
import type { Log } from '../telemetry/log.ts';

/** What was applied together becomes ready one after the other, and that is nothing to tell of. */
const AFTER_MS = 5000;

export type NotReadyOptions = {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Log;
};

/** Says in the log of the platform which object is not ready, and why, when it has stayed so for a while. */
export class NotReadyLog {
  readonly #options: NotReadyOptions;
  readonly #pending = new Set<string>();
  readonly #stop = new AbortController();

  constructor(options: NotReadyOptions) {
    this.#options = options;
  }

  /** It has become not ready, or is so for another cause. */
  async heard(kind: KindName, happy: string, object: Resource): Promise<void> {
    const { clock, informers, log } = this.#options;
    const key = keyOf(object);
    const one = `${kind.kind} ${key}`;
    if (this.#pending.has(one) || (object.metadata.ownerReferences ?? []).length > 0) return; // what has made it tells
    this.#pending.add(one);
    await clock.until(clock.nowMs() + AFTER_MS, this.#stop.signal);
    this.#pending.delete(one);
    const { conditions = [] } = Object(Reflect.get(informers.of(kind).get(key) ?? {}, 'status')) as {
      conditions?: readonly Condition[];
    };
    const ready = conditions.find(({ type }) => type === happy);
    if (this.#stop.signal.aborted || ready?.status !== 'False') return;
    const { reason = '', message = '' } = ready;
    log({
      level: 'warn',
      message: `${one} is not ready: ${message.replaceAll('\n', ' | ')}`,
      fields: { reason },
    });
  }

  close(): void {
    this.#stop.abort();
  }
}
