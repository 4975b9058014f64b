import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, Partitioners, type KafkaConfig, type Producer } from 'kafkajs';

/** The plain client of other people's programs: for interoperability tests, and to look at a server from outside. */
export function plainKafka(address: string, retry: KafkaConfig['retry'] = {}): Kafka {
  return new Kafka({
    clientId: 'plain',
    brokers: [address],
    retry: { initialRetryTime: 50, ...retry },
    logCreator: () => () => undefined,
  });
}

export async function plainProducer(address: string): Promise<Producer> {
  const producer = plainKafka(address).producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  return producer;
}

const READY_MAX_MS = 10_000;

/** Makes a topic, and waits until the server shows all of it; kafkajs' own wait gives up at the first miss. */
export async function makeTopic(address: string, topic: string, numPartitions = 1): Promise<void> {
  const admin = plainKafka(address).admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions }], waitForLeaders: false });
  const untilMs = Date.now() + READY_MAX_MS;
  for (let count = 0; count < numPartitions;) {
    if (Date.now() > untilMs) throw new Error(`topic ${topic} is not ready in time`);
    const leaders = await admin.fetchTopicMetadata({ topics: [topic] }).then(
      ({ topics }) => topics[0]?.partitions.filter(({ leader }) => leader >= 0) ?? [],
      () => [],
    );
    count = leaders.length;
    if (count < numPartitions) await pause(20);
  }
  await admin.disconnect();
}
