import type { QueueMeter } from '../../control/queue-meter.ts';
import type { Family } from '../../telemetry/exposition.ts';
import { AdmissionMetrics } from './admission-metrics.ts';
import { QueueMetrics } from './queue-metrics.ts';

/** What is told of controllers and of the admission of objects. */
export class ControlMetrics {
  readonly #queues = new QueueMetrics(() => performance.now());
  readonly #admission = new AdmissionMetrics();
  #droppedEvents = 0;

  meterOf(name: string): QueueMeter {
    return this.#queues.meterOf(name);
  }

  /** An Event of a Pod was not written, since too many waited. */
  eventDropped(): void {
    this.#droppedEvents += 1;
  }

  families(): readonly Family[] {
    const dropped: Family = {
      name: 'millrace_pod_events_dropped_total',
      type: 'counter',
      help: 'Events of Pods that were not written, since too many waited.',
      samples: [{ labels: {}, value: this.#droppedEvents }],
    };
    return [...this.#queues.families(), ...this.#admission.families(), dropped];
  }

  close(): void {
    this.#admission.close();
  }
}
