import { systemClock } from '../../base/clock.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import { Links } from '../../clients/pubsub/links.ts';
import { Resources } from '../../clients/pubsub/resources.ts';
import type { SourceAdapter } from '../source.ts';
import { CloudPubSub, type Pace } from './cloud-pubsub.ts';
import { readNotes } from './notes.ts';
import type { PubSubPlan } from './plan.ts';

/** Pub/Sub allows a project 100 questions of this kind a second: a thousand sources ask 33. */
const PACE: Pace = { lookEveryMs: 30_000, retryFirstMs: 500, retryMaxMs: 30_000 };

/** Messages of a topic, through a subscription of the source's own. All sources of one project and key share a link. */
export function cloudPubSubAdapter(pace: Pace = PACE): SourceAdapter<PubSubPlan> {
  const links = new Links(systemClock);
  return {
    open: (plan, tools) => new CloudPubSub({ plan, tools, links, pace }).open(),
    async remove({ settings, subscription }, { bookmark }) {
      const notes = await readNotes(bookmark, subscription);
      if (notes === undefined) return; // nothing was ever made
      try {
        const { link, leave } = await links.use(settings);
        try {
          await new Resources(link).removeSubscription(notes.subscription);
        } finally {
          await leave();
        }
      } catch (error) {
        throw withWayOut(notes.subscription, error);
      }
    },
  };
}

function withWayOut(subscription: string, error: unknown): PlatformError {
  const message = `${messageOf(error)}; ${subscription} is removed once that is possible, or left there if the finalizer of the source is taken off`;
  return new PlatformError('BACKEND_REFUSED', message, { retryable: true, cause: error });
}
