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
