import { PlatformError } from '../../base/errors.ts';
import type { KafkaConnection, TopicInfo } from './connection.ts';
import { isMoved, kafkaCode, lost, refused } from './faults.ts';
import type { NewTopic } from './protocol.ts';

const TOPIC = 2; // the resource type of DescribeConfigs
/** Kafka's own default (`message.max.bytes`), where the configuration may not be read. */
const EVENT_BYTES_DEFAULT = 1_048_588;
const TOPIC_READY_MAX_MS = 10_000;
const ASK_EVERY_MS = 50;
const LOOKS_MAX = 3;

/** Makes a topic, unless it is there; resolves once each partition has a leader. */
export async function makeTopic(connection: KafkaConnection, topic: NewTopic): Promise<void> {
  try {
    await (await connection.controller()).createTopics({ topics: [topic] });
  } catch (error) {
    if (kafkaCode(error) !== 'TOPIC_ALREADY_EXISTS') throw refused(`making topic ${topic.topic}`, error);
  }
  await untilThere(connection, topic.topic);
}

/** Removes topics; what is gone is no error. */
export async function removeTopics(connection: KafkaConnection, topics: readonly string[]): Promise<void> {
  for (const topic of topics) {
    try {
      await (await connection.controller()).deleteTopics({ topics: [topic] });
    } catch (error) {
      if (kafkaCode(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw refused(`deleting topic ${topic}`, error);
    }
    const untilMs = Date.now() + TOPIC_READY_MAX_MS;
    while ((await connection.topic(topic, true).catch(() => undefined)) !== undefined && Date.now() < untilMs)
      await pause(ASK_EVERY_MS);
  }
}

/** A topic that what is open cannot do without, as it is now. */
export async function thereNow(connection: KafkaConnection, topic: string): Promise<TopicInfo> {
  for (let looks = 0; looks < LOOKS_MAX; looks += 1) {
    const found = await connection.topic(topic, true);
    if (found !== undefined) return found;
    await pause(ASK_EVERY_MS); // a broker that has just started knows a topic a moment later
  }
  throw lost(`topic ${topic} is not there any more`);
}

/** The largest batch, and so the largest record, that a topic takes; the broker's limit unless the topic has its own. */
export async function eventBytesMax(connection: KafkaConnection, topic: string): Promise<number> {
  try {
    const broker = await connection.any();
    const resources = [{ type: TOPIC, name: topic, configNames: ['max.message.bytes'] }] as const;
    const [described] = (await broker.describeConfigs({ resources })).resources;
    const value = Number(described?.configEntries[0]?.configValue);
    return value > 0 ? value : EVENT_BYTES_DEFAULT;
  } catch (error) {
    if (kafkaCode(error) === 'TOPIC_AUTHORIZATION_FAILED') return EVENT_BYTES_DEFAULT;
    throw refused(`reading the configuration of topic ${topic}`, error);
  }
}

/** Every topic that we are shown. */
export async function allTopics(connection: KafkaConnection): Promise<readonly string[]> {
  return (await connection.metadata([])).topicMetadata.map(({ topic }) => topic);
}

async function untilThere(connection: KafkaConnection, topic: string): Promise<void> {
  const untilMs = Date.now() + TOPIC_READY_MAX_MS;
  for (let fault: unknown; Date.now() < untilMs; await pause(ASK_EVERY_MS)) {
    try {
      if ((await connection.topic(topic, true)) !== undefined) return;
    } catch (error) {
      if (!isMoved(error)) throw refused(`reading topic ${topic}`, error);
      fault = error;
    }
    if (fault !== undefined && Date.now() > untilMs) throw refused(`topic ${topic}`, fault);
  }
  throw new PlatformError('BACKEND_REFUSED', `topic ${topic} was made, and has no leader yet`, {
    retryable: true,
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
