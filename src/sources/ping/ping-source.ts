import { PING_SOURCE, type PingSource } from '../../apis/sources/ping-source/schema.ts';
import { PING_SOURCE_CONDITIONS } from '../../apis/sources/ping-source/status.ts';
import type { SourceKind } from '../source.ts';
import { PING_TYPE, pingSourceUri } from './event.ts';
import { planPingSource, type PingPlan } from './plan.ts';

export const pingSource: SourceKind<PingSource, PingPlan> = {
  kind: PING_SOURCE,
  conditions: PING_SOURCE_CONDITIONS,
  plan: planPingSource,
  ceAttributes: ({ metadata: { namespace = '', name } }) => [
    { type: PING_TYPE, source: pingSourceUri(namespace, name) },
  ],
  leavesSomething: false,
  load: async () => (await import('./ping-adapter.ts')).pingAdapter,
};
