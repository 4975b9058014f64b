import type { IncomingMessage, ServerResponse } from 'node:http';
import { GITHUB_SOURCE, type GitHubSource } from '../apis/sources/github-source/schema.ts';
import { KINDS } from '../apis/serving/types.ts';
import { keyOf } from '../apis/resource.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf, PlatformError } from '../base/errors.ts';
import type { Channel } from '../channels/channel.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import type { CloudEvent } from '../events/event.ts';
import type { EventSink } from '../events/sink.ts';
import { answerText } from '../http/respond.ts';
import { gitHubSourceReconciler } from '../sources/control/github-reconciler.ts';
import { planGitHubSource, type GitHubSourcePlan } from '../sources/github/plan.ts';
import { createGitHubReceiver } from '../sources/github/receiver.ts';
import { planDelivery } from '../subscriptions/delivery-plan.ts';
import type { Log } from '../telemetry/log.ts';
import type { StartOne } from './controllers.ts';
import type { DataPlane } from './data-plane.ts';
import type { PlatformOptions } from './options.ts';
import type { Stores } from './stores.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };

/** What answers on the gateway at a host that is no service's: webhooks, once they are open. */
export class Webhooks {
  #receiver: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

  readonly onOtherHost = (request: IncomingMessage, response: ServerResponse): void => {
    if (this.#receiver !== undefined && request.url?.startsWith('/webhooks/') === true)
      this.#receiver(request, response);
    else answerText(response, 404, 'no service answers to this host');
  };

  open(stores: Stores, plane: DataPlane, informers: Informers, log: Log): void {
    const sources = informers.of(GITHUB_SOURCE);
    const secrets = informers.of(SECRET);
    this.#receiver = createGitHubReceiver({
      find(namespace, name) {
        const found = sources.get(`${namespace}/${name}`) as GitHubSource | undefined;
        return found && planGitHubSource(found);
      },
      secretOf({ namespace, secret: { name, key } }) {
        const data: unknown = Reflect.get(Object(secrets.get(`${namespace}/${name}`)), 'data');
        const value: unknown = Reflect.get(Object(data), key);
        return typeof value === 'string' ? Buffer.from(value, 'base64').toString() : undefined;
      },
      sinkFor: (plan) => durableSink(plan, stores, plane),
      clock: systemClock,
      budget: plane.limits.budget,
      onError: (error) =>
        log({
          level: 'error',
          message: 'a webhook delivery failed in an unexpected way',
          fields: { error: messageOf(error) },
        }),
    });
  }
}

/**
 * A durable channel of ours takes the event itself, so that the sender learns what its broker does not take; for any
 * other sink, and while a broker is away, it is kept in an outbox of the source's own.
 */
function durableSink(
  plan: GitHubSourcePlan,
  stores: Stores,
  { channels, eventsServer, dispatcher }: DataPlane,
): EventSink {
  return {
    async send(event) {
      const door = doorAt(plan.sinkUrl ?? '', eventsServer.port, channels);
      const isKept = door !== undefined && (await isTaken(door, event));
      if (!isKept) await (await outboxOf(plan, stores, dispatcher)).publish(event);
    },
  };
}

/** False when the broker behind the channel is away; any other refusal is the sender's to hear. */
async function isTaken(channel: Channel, event: CloudEvent): Promise<boolean> {
  try {
    await channel.publish(event);
    return true;
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'CHANNEL_LOST') return false;
    throw error;
  }
}

function doorAt(sinkUrl: string, eventsPort: number, channels: DataPlane['channels']): Channel | undefined {
  const url = URL.canParse(sinkUrl) ? new URL(sinkUrl) : undefined;
  const [, namespace = '', name = ''] = /^\/channels\/([^/]+)\/([^/]+)$/.exec(url?.pathname ?? '') ?? [];
  const door = Number(url?.port) === eventsPort ? channels.door(namespace, name) : undefined;
  return door?.key.startsWith('InMemoryChannel/') === true ? undefined : door?.channel;
}

/** The same log and the same retries as for a subscription, with the sink as the one subscriber. */
async function outboxOf(
  { key, uid, sinkUrl = '' }: GitHubSourcePlan,
  { events }: Stores,
  dispatcher: DataPlane['dispatcher'],
): Promise<Channel> {
  const outbox = `Outbox/${key}`;
  const channel = await events.channel(outbox, `outbox-${uid}`);
  const [namespace = '', name = ''] = key.split('/');
  const object = {
    apiVersion: 'platform.millrace.dev/v1alpha1',
    kind: 'Outbox',
    metadata: { namespace, name },
  };
  await dispatcher.serve(outbox, channel, [planDelivery(object, { uid, name, subscriberUri: sinkUrl })]);
  return channel;
}

/** What is owed to sinks since the last run goes on being delivered. */
export async function reopenOutboxes(
  stores: Stores,
  { dispatcher }: DataPlane,
  informers: Informers,
): Promise<void> {
  for (const object of informers.of(GITHUB_SOURCE).all() as readonly GitHubSource[]) {
    const plan = planGitHubSource(object);
    if (plan.sinkUrl !== undefined) await outboxOf(plan, stores, dispatcher);
  }
}

/** Starts the reconciler of GitHubSources. */
export function gitHubController(
  client: EmbeddedClient,
  informers: Informers,
  options: PlatformOptions,
  gatewayPort: number,
): (start: StartOne) => void {
  const base = options.publicUrl?.replace(/\/$/, '') ?? `http://${options.gateway.host}:${gatewayPort}`;
  const webhookUrlOf = (namespace: string, name: string): string => `${base}/webhooks/${namespace}/${name}`;
  const everySource = (): readonly string[] => informers.of(GITHUB_SOURCE).all().map(keyOf);
  const watched = [SECRET, CHANNEL, KINDS.service, KINDS.route].map((kind) => ({
    kind,
    concerns: everySource,
  }));
  return (start) => void start(client, gitHubSourceReconciler(client, { webhookUrlOf }), watched);
}
