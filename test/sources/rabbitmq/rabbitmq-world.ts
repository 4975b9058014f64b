import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../src/base/clock.ts';
import { parseSettings } from '../../../src/clients/rabbitmq/settings.ts';
import type { CloudEvent } from '../../../src/events/event.ts';
import type { RabbitmqPlan } from '../../../src/sources/rabbitmq/plan.ts';
import { rabbitmqAdapter } from '../../../src/sources/rabbitmq/rabbitmq-adapter.ts';
import type { RunningSource, SourceState, SourceTools } from '../../../src/sources/source.ts';
import { MemoryBookmark, noCluster } from '../../contracts/source.ts';

/** A plan with an exchange and a queue of its own. */
export function aPlan(address: string, more: Partial<RabbitmqPlan> = {}): RabbitmqPlan {
  const name = `orders-${randomUUID().slice(0, 8)}`;
  return {
    address: parseSettings({ config: {}, secret: { uri: address } }),
    uid: randomUUID(),
    from: { namespace: 'demo', name: 'orders', queue: `${name}-in` },
    exchange: name,
    isPredeclared: false,
    inFlightMax: 1,
    patience: {},
    ...more,
  };
}

/** One source and all that it says and delivers. */
export class Told {
  readonly bookmark = new MemoryBookmark();
  readonly events: CloudEvent[] = [];
  readonly states: SourceState[] = [];
  readonly warnings: string[] = [];
  take: (event: CloudEvent, signal: AbortSignal) => Promise<'taken' | 'refused'> = async () => 'taken';

  get last(): SourceState | undefined {
    return this.states.at(-1);
  }

  get bodies(): string[] {
    return this.events.map(({ body }) => Buffer.from(body).toString());
  }

  get tools(): SourceTools {
    return {
      clock: systemClock,
      random: () => 0.5,
      bookmark: this.bookmark,
      reader: undefined as never, // the source reads no resources
      clusterAt: noCluster,
      tell: (state) => this.states.push(state),
      warn: (reason, message) => this.warnings.push(`${reason} ${message}`),
      deliver: async (event, signal) => {
        const outcome = await this.take(event, signal);
        this.events.push(event);
        return outcome;
      },
    };
  }

  open(plan: RabbitmqPlan, adapter = rabbitmqAdapter()): RunningSource {
    return adapter.open(plan, this.tools);
  }
}
