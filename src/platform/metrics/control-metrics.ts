import type { QueueMeter } from '../../control/queue-meter.ts';
import type { Family } from '../../telemetry/exposition.ts';
import { AdmissionMetrics } from './admission-metrics.ts';
import { QueueMetrics } from './queue-metrics.ts';

/** What is told of controllers and of the admission of objects. */
export class ControlMetrics {
  readonly #queues = new QueueMetrics(() => performance.now());
  readonly #admission = new AdmissionMetrics();

  meterOf(name: string): QueueMeter {
    return this.#queues.meterOf(name);
  }

  families(): readonly Family[] {
    return [...this.#queues.families(), ...this.#admission.families()];
  }

  close(): void {
    this.#admission.close();
  }
}
