import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { ApiClient } from '../src/cli/client.ts';
import type { SourceObject } from '../src/apis/sources/source-kind.ts';
import { GitHubStandIn } from '../test/kit/github-api.ts';
import { makeTopic } from '../test/kit/plain-kafka.ts';
import { BROKERS, startBroker, type RunningBroker } from './brokers.ts';
import {
  groundwork,
  kindsOf,
  mixedSources,
  MIX,
  pathOf,
  repositoryOf,
  sourcesPath,
  topicOf,
  type Origins,
} from './idle-mix.ts';
import { IdlePair } from './idle-pair.ts';
import type { Bench } from './results.ts';
import { tableOf } from './rounds.ts';

const READY_MAX_MS = 180_000;
/** What starting leaves to be done and to be collected. */
const SETTLE_MS = 60_000;

/**
 * What a thousand sources of mixed kinds cost that have nothing to do: two whole platforms at once, one without any source,
 * in one window of forty seconds.
 */
export const idleSources: Bench = async ({ profileFolder }) => {
  const brokers = await startAll();
  if (brokers === undefined) return {};
  const gitHub = await GitHubStandIn.open(
    ...Array.from({ length: MIX.GitHubSource }, (_, i) => repositoryOf(i)),
  );
  const origins = originsOf(gitHub, brokers);
  await makeTopics(origins);
  const pair = await IdlePair.open();
  const startMs = performance.now();
  await apply(pair.full.api, origins);
  const readyMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  const rows = await pair.overWindow(1000, profileFolder && join(profileFolder, 'idle.cpuprofile'));
  const table = tableOf([
    {
      ...rows,
      'heap MB more, collected': mb(await pair.heapBytes()),
      's until all are ready': readyMs / 1000,
    },
  ]);
  await pair.close();
  await gitHub.close();
  await Promise.all(Object.values(brokers).map((broker) => broker.stop()));
  return table;
};

type Brokers = Readonly<Record<keyof typeof BROKERS, RunningBroker>>;

async function startAll(): Promise<Brokers | undefined> {
  const kafka = await startBroker(BROKERS.kafka);
  const rabbitmq = await startBroker(BROKERS.rabbitmq);
  const pubsub = await startBroker(BROKERS.pubsub);
  if (kafka !== undefined && rabbitmq !== undefined && pubsub !== undefined)
    return { kafka, rabbitmq, pubsub };
  for (const broker of [kafka, rabbitmq, pubsub]) await broker?.stop();
  return undefined;
}

function originsOf(gitHub: GitHubStandIn, { kafka, rabbitmq, pubsub }: Brokers): Origins {
  return {
    gitHub: gitHub.url,
    token: gitHub.token,
    kafka: kafka.address,
    rabbitmq: rabbitmq.address,
    pubsub: pubsub.address,
  };
}

/** The others' topics are made by their sources. */
async function makeTopics({ kafka, pubsub }: Origins): Promise<void> {
  for (let i = 0; i < MIX.KafkaSource; i += 1) await makeTopic(kafka, topicOf(i));
  for (let i = 0; i < MIX.CloudPubSubSource; i += 1)
    await fetch(`http://${pubsub}/v1/projects/bench/topics/${topicOf(i)}`, { method: 'PUT' });
}

/** Resolves once every source is Ready. */
async function apply(api: ApiClient, origins: Origins): Promise<void> {
  for (const object of [...groundwork(origins), ...mixedSources(origins)])
    await api.post(pathOf(object, object.metadata.namespace), object);
  const untilMs = Date.now() + READY_MAX_MS;
  for (const kind of kindsOf())
    for (;;) {
      const { items } = await api.get<{ items: readonly SourceObject[] }>(sourcesPath(kind));
      const late = items.filter((item) => readyOf(item)?.status !== 'True');
      if (items.length === MIX[kind] && late.length === 0) break;
      if (Date.now() > untilMs) {
        const [first] = late;
        throw new Error(`${late.length} ${kind} are not ready: ${JSON.stringify(first && readyOf(first))}`);
      }
      await pause(1000);
    }
}

function readyOf({ status }: SourceObject): { readonly status: string } | undefined {
  return status?.conditions?.find(({ type }) => type === 'Ready');
}

const mb = (bytes: number): number => bytes / 2 ** 20;
