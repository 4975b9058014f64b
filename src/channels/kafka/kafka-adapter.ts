import type { BackendAdapter } from '../backend.ts';
import { DEAD_LETTERS_MAX } from './dead-letters.ts';
import { KafkaBackend } from './kafka-backend.ts';
import { MEMBER_TIMES, type MemberTimes } from '../../clients/kafka/member.ts';
import { loadProtocol } from '../../clients/kafka/protocol.ts';
import { parseKafkaSettings } from './settings.ts';

export type KafkaBounds = { readonly times: MemberTimes; readonly deadLettersMax: number };

export const kafkaAdapter: BackendAdapter = kafkaAdapterWith({
  times: MEMBER_TIMES,
  deadLettersMax: DEAD_LETTERS_MAX,
});

export function kafkaAdapterWith(bounds: KafkaBounds): BackendAdapter {
  return {
    kind: 'KafkaChannel',
    configMap: 'kafka-channel-config',
    async connect(settings, tools) {
      const parsed = parseKafkaSettings(settings);
      const backend = new KafkaBackend(await loadProtocol(), parsed, { ...bounds, tools });
      await backend.start();
      return backend;
    },
  };
}
