import { KAFKA_SOURCE, type KafkaSource } from '../../apis/sources/kafka-source/schema.ts';
import { KAFKA_SOURCE_CONDITIONS } from '../../apis/sources/kafka-source/status.ts';
import type { SourceKind } from '../source.ts';
import { KAFKA_TYPE, kafkaSourceUri } from './event.ts';
import { planKafkaSource, type KafkaPlan } from './plan.ts';

export const kafkaSource: SourceKind<KafkaSource, KafkaPlan> = {
  kind: KAFKA_SOURCE,
  conditions: KAFKA_SOURCE_CONDITIONS,
  plan: planKafkaSource,
  ceAttributes: ({ metadata: { namespace = '', name }, spec: { topics = [] } }) =>
    topics.map((topic) => ({ type: KAFKA_TYPE, source: kafkaSourceUri(namespace, name, topic) })),
  fields: ({ metadata: { name } }) => ({
    consumers: 0,
    selector: `eventing.knative.dev/source=kafka-source-controller,eventing.knative.dev/sourceName=${name}`,
  }),
  leavesSomething: false,
  load: async () => (await import('./kafka-adapter.ts')).kafkaAdapter,
};
