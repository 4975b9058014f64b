import { POD_AUTOSCALER, type PodAutoscaler } from '../apis/autoscaling/pod-autoscaler/types.ts';
import { keyOf } from '../apis/resource.ts';
import { systemClock } from '../base/clock.ts';
import type { Controller } from '../control/controller.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { podAutoscalerReconciler, type ScaleView } from '../serving/control/pod-autoscaler-reconciler.ts';
import { isReady } from '../serving/activator/slot.ts';
import type { Door } from '../serving/control/scale-services.ts';
import type { Serving } from '../serving/serving.ts';
import type { StartOne } from './controllers.ts';
import { configMapReader } from './live-objects.ts';

/** A wake is many steps; the objects that tell of scaling are written once for those of so long. */
const TOLD_AFTER_MS = 500;
const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };

/** Keeps PodAutoscalers, and what belongs to them, true to what the data plane does. A revision at rest costs nothing. */
export class Autoscalers {
  readonly #client: EmbeddedClient;
  readonly #informers: Informers;
  readonly #serving: Serving;
  readonly #door: Door;
  readonly #told = new Set<string>();
  #controller: Controller<PodAutoscaler> | undefined;

  constructor(client: EmbeddedClient, informers: Informers, serving: Serving, door: Door) {
    this.#client = client;
    this.#informers = informers;
    this.#serving = serving;
    this.#door = door;
  }

  readonly start = (start: StartOne): void => {
    const read = configMapReader(this.#informers);
    const reconciler = podAutoscalerReconciler(this.#client, {
      viewOf: (revision) => viewOf(this.#serving, revision),
      door: this.#door,
      configMap: () => read('knative-serving', 'config-autoscaler'),
      nowMs: () => systemClock.nowMs(),
    });
    const all = this.#informers.of(POD_AUTOSCALER);
    this.#controller = start(this.#client, reconciler, [
      {
        kind: CONFIG_MAP,
        concerns: ({ metadata }) =>
          metadata.name === 'config-autoscaler' && metadata.namespace === 'knative-serving'
            ? all.all().map(keyOf)
            : [],
      },
    ]);
    this.#serving.whenRescaled((revision) => this.told(revision));
  };

  /** Something has happened to a revision's instances, or to what is decided of them. */
  told(revision: string): void {
    if (this.#told.size === 0) setTimeout(() => this.#tell(), TOLD_AFTER_MS).unref();
    this.#told.add(revision);
  }

  #tell(): void {
    for (const revision of this.#told) this.#controller?.enqueue(revision);
    this.#told.clear();
  }
}

/** A PodAutoscaler has its Revision's name. */
function viewOf(serving: Serving, revision: string): ScaleView | undefined {
  const pool = serving.poolOf(revision);
  if (pool === undefined) return undefined;
  const { ready, desired } = pool.counts;
  return {
    ready,
    desired: Math.max(ready, desired), // what is ready and does not drain is wanted
    hasFailed: pool.trouble?.kind === 'start',
    scale: pool.plan.scale,
    panic: pool.reading?.panic ?? 0,
    used: pool.used,
    instances: pool.slots.filter(isReady).map(({ id, running }) => ({ id, port: running.instance.port })),
  };
}
