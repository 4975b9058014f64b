import type { protos, v1 } from '@google-cloud/pubsub';
import type { PubsubSettings } from './settings.ts';

type Api = typeof protos.google.pubsub.v1;
type Given<Name extends keyof Api> = Api[Name] extends abstract new (given?: infer G) => unknown
  ? NonNullable<G>
  : never;

/** What is asked of the broker, and what it answers. */
export type Calls = {
  createTopic: [Given<'Topic'>, Given<'Topic'>];
  getTopic: [Given<'GetTopicRequest'>, Given<'Topic'>];
  deleteTopic: [Given<'DeleteTopicRequest'>, object];
  publish: [Given<'PublishRequest'>, Given<'PublishResponse'>];
  createSubscription: [Given<'Subscription'>, Given<'Subscription'>];
  getSubscription: [Given<'GetSubscriptionRequest'>, Given<'Subscription'>];
  updateSubscription: [Given<'UpdateSubscriptionRequest'>, Given<'Subscription'>];
  deleteSubscription: [Given<'DeleteSubscriptionRequest'>, object];
  pull: [Given<'PullRequest'>, Given<'PullResponse'>];
  acknowledge: [Given<'AcknowledgeRequest'>, object];
  modifyAckDeadline: [Given<'ModifyAckDeadlineRequest'>, object];
  seek: [Given<'SeekRequest'>, Given<'SeekResponse'>];
};

export type Message = Given<'PubsubMessage'>;
export type ReceivedMessage = Given<'ReceivedMessage'>;

type Method<Name extends keyof Calls> = (
  request: Calls[Name][0],
  options: { readonly deadline: number },
  done: (error: unknown, answer: Calls[Name][1]) => void,
) => { cancel(): void };

type Methods = { readonly [Name in keyof Calls]: Method<Name> };

/**
 * The client library's own gRPC stub, which its streams are made from as well: the methods around it retry by themselves,
 * for up to ten minutes, and hand out no way to cancel a call.
 */
export type Stub = Methods & {
  close(): void;
  waitForReady(deadline: number, done: (error?: Error) => void): void;
};

export type Client = {
  /** Makes another connection of its own. */
  readonly publisher: () => Promise<Stub>;
  readonly subscriber: () => Promise<Stub>;
};

type Options = NonNullable<ConstructorParameters<typeof v1.SubscriberClient>[0]>;

const GOOGLE = 'pubsub.googleapis.com';

/** Loads the client library, here and nowhere else. */
export async function loadClient(settings: PubsubSettings): Promise<Client> {
  const { PubSub, v1: library } = await import('@google-cloud/pubsub');
  const client = new PubSub(configFor(settings));
  const options = { ...(await client.getClientConfig()), auth: client.auth } as Options; // it says so itself
  return {
    publisher: () => stubOf(new library.PublisherClient(options)),
    subscriber: () => stubOf(new library.SubscriberClient(options)),
  };
}

function configFor({ project, access }: PubsubSettings): object {
  const config = {
    projectId: project,
    // Connections of our own, so that a new one is never a dead one of before; and soon tried again.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
  };
  switch (access.kind) {
    case 'emulator': {
      const clientOptions = { universeDomain: 'googleapis.com' }; // else it would look for credentials that say so
      return { ...config, apiEndpoint: access.host, emulatorMode: true, clientOptions };
    }
    case 'key': {
      const credentials = { client_email: access.email, private_key: access.privateKey };
      return { ...config, apiEndpoint: GOOGLE, emulatorMode: false, credentials };
    }
    case 'default':
      return { ...config, apiEndpoint: GOOGLE, emulatorMode: false };
  }
}

async function stubOf(client: v1.PublisherClient | v1.SubscriberClient): Promise<Stub> {
  return (await client.initialize()) as unknown as Stub; // typed by the library as functions of any kind
}

/** One call; `signal` cancels it. Rejects with what gRPC says. */
export function ask<Name extends keyof Calls>(
  stub: Methods,
  name: Name,
  request: Calls[Name][0],
  maxMs: number,
  signal?: AbortSignal,
): Promise<Calls[Name][1]> {
  return new Promise((resolve, reject) => {
    const call = stub[name](request, { deadline: Date.now() + maxMs }, (error, answer) => {
      signal?.removeEventListener('abort', cancel);
      if (error === null || error === undefined) resolve(answer);
      else reject(error);
    });
    const cancel = (): void => call.cancel();
    if (signal?.aborted === true) cancel();
    else signal?.addEventListener('abort', cancel, { once: true });
  });
}
