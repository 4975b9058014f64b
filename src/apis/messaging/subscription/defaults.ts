import { withNamespace } from '../../delivery.ts';
import type { Subscription } from './schema.ts';

/** References without a namespace mean the Subscription's own (subscription_defaults.go). */
export function setSubscriptionDefaults(subscription: Subscription): Subscription {
  const { namespace } = subscription.metadata;
  const { spec } = subscription;
  if (spec === undefined) return subscription;
  const { delivery } = spec;
  const sink = withNamespace(delivery?.deadLetterSink, namespace);
  const placed = {
    subscriber: withNamespace(spec.subscriber, namespace),
    reply: withNamespace(spec.reply, namespace),
  };
  const known = Object.fromEntries(Object.entries(placed).filter(([, value]) => value !== undefined));
  return {
    ...subscription,
    spec: {
      ...spec,
      ...known,
      ...(delivery !== undefined && {
        delivery: { ...delivery, ...(sink !== undefined && { deadLetterSink: sink }) },
      }),
    },
  };
}
