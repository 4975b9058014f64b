import { RABBITMQ_SOURCE, type RabbitmqSource } from '../../apis/sources/rabbitmq-source/schema.ts';
import { RABBITMQ_SOURCE_CONDITIONS } from '../../apis/sources/rabbitmq-source/status.ts';
import type { SourceKind } from '../source.ts';
import { planRabbitmqSource, type RabbitmqPlan } from './plan.ts';

export const rabbitmqSource: SourceKind<RabbitmqSource, RabbitmqPlan> = {
  kind: RABBITMQ_SOURCE,
  conditions: RABBITMQ_SOURCE_CONDITIONS,
  plan: planRabbitmqSource,
  ceAttributes: ({ metadata: { namespace = '', name }, spec: { rabbitmqResourcesConfig: resources } }) => [
    {
      type: 'dev.knative.rabbitmq.event',
      source: `/apis/v1/namespaces/${namespace}/rabbitmqsources/${name}#${encodeURIComponent(resources.queueName)}`,
    },
  ],
  leavesSomething: true,
  load: async () => (await import('./rabbitmq-adapter.ts')).rabbitmqAdapter(),
};
