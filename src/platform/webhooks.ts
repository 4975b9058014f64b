import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { keyOf, type Resource } from '../apis/resource.ts';
import { KINDS } from '../apis/serving/types.ts';
import { GITHUB_SOURCE, type GitHubSource } from '../apis/sources/github-source/schema.ts';
import { WEBHOOK_SOURCE, type WebhookSource } from '../apis/sources/webhook-source/schema.ts';
import { systemClock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { answerText } from '../http/respond.ts';
import { webhookSourceReconciler } from '../sources/control/webhook-reconciler.ts';
import { isFirst } from '../sources/door/address-claim.ts';
import { createDoor } from '../sources/door/door.ts';
import type { DoorSource } from '../sources/door/door-source.ts';
import { planGitHubSource } from '../sources/github/plan.ts';
import { gitHubDoor } from '../sources/github/receiver.ts';
import type { ReadSecret } from '../sources/source.ts';
import { planWebhookSource, type WebhookPlan } from '../sources/webhook/plan.ts';
import { webhookDoor } from '../sources/webhook/receiver.ts';
import type { Secret } from '../sources/webhook/verify.ts';
import type { Log } from '../telemetry/log.ts';
import { BACKING_KINDS } from './adapters.ts';
import type { StartOne } from './controllers.ts';
import type { DataPlane } from './data-plane.ts';
import type { PlatformOptions } from './options.ts';
import type { Outboxes, Pushed } from './outboxes.ts';
import { secretReader } from './live-objects.ts';
import { addressTaken, sameAddress } from './webhook-addresses.ts';

const SECRET = { apiVersion: 'v1', kind: 'Secret' };

type Open = DoorSource & Pushed;

/** What answers on the gateway at a host that is no service's: webhooks, once they are open. */
export class Webhooks {
  #door: ((request: IncomingMessage, response: ServerResponse) => void) | undefined;

  readonly onOtherHost = (request: IncomingMessage, response: ServerResponse): void => {
    // Not known yet is not absent: which services there are is read while the platform starts.
    if (this.#door === undefined)
      answerText(response, 503, 'the platform is starting', { 'retry-after': '1' });
    else if (request.url?.startsWith('/webhooks/') === true) this.#door(request, response);
    else
      answerText(response, 404, 'no service answers to this host: none has it, or it has not been ready yet');
  };

  async open(outboxes: Outboxes, plane: DataPlane, informers: Informers, log: Log): Promise<void> {
    const gitHub = informers.of(GITHUB_SOURCE);
    const others = informers.of(WEBHOOK_SOURCE);
    const readSecret = secretReader(informers);
    const known = new WeakMap<Resource, Open>(); // an object that has changed is another one
    const find = (namespace: string, name: string): Open | undefined => {
      const key = `${namespace}/${name}`;
      const found = firstOf(gitHub.get(key), others.get(key));
      if (found === undefined || found.metadata.deletionTimestamp !== undefined) return undefined;
      const opened = known.get(found) ?? openSource(found, readSecret);
      known.set(found, opened);
      return opened;
    };
    const told = (error: unknown): void =>
      log({
        level: 'error',
        message: 'a webhook delivery failed in an unexpected way',
        fields: { error: messageOf(error) },
      });
    this.#door = createDoor({
      find,
      sinkFor: (source) => outboxes.sinkFor(source as Open), // as find() made it
      clock: systemClock,
      budget: plane.limits.budget,
      onError: told,
    });
    gitHub.onChange((source, type) => {
      const plan = planGitHubSource(source as GitHubSource);
      // Its finalizer gives up what it owed; somebody may have taken that off.
      void (type === 'DELETED' ? outboxes.remove(plan) : outboxes.follow(plan)).catch(told);
    });
    await outboxes.reopen([...gitHub.all(), ...others.all()].map((source) => openSource(source, readSecret)));
  }
}

function firstOf(one: Resource | undefined, other: Resource | undefined): Resource | undefined {
  return one !== undefined && isFirst(one, other) ? one : other;
}

/** The informers hand out what admission has taken: their kind says what they are. */
function openSource(source: Resource, readSecret: ReadSecret): Open {
  if (source.kind === GITHUB_SOURCE.kind) {
    const plan = planGitHubSource(source as GitHubSource);
    const { name, key } = plan.secret;
    return { ...gitHubDoor(plan, () => readSecret(plan.namespace, name, key)), key: plan.key };
  }
  const plan = planWebhookSource(source as WebhookSource);
  const tools = {
    secretsOf: (each: WebhookPlan) => secretsOf(each, readSecret),
    nowMs: () => systemClock.nowMs(),
    randomId: () => randomUUID(),
  };
  return { ...webhookDoor(plan, tools), key: plan.key };
}

/** As they are now: a Secret that changes counts from the next delivery on. */
function secretsOf({ namespace, secrets, verification }: WebhookPlan, readSecret: ReadSecret): Secret[] {
  return secrets.flatMap(({ name, key }) => {
    const value = readSecret(namespace, name, key);
    if (value === undefined || value === '') return [];
    if (verification.kind !== 'basic') return [{ value }];
    const username = readSecret(namespace, name, verification.usernameKey);
    return username ? [{ value, username }] : [];
  });
}

/** Starts the reconciler of WebhookSources. */
export function webhookController(
  client: EmbeddedClient,
  informers: Informers,
  outboxes: Outboxes,
  options: PlatformOptions,
  gatewayPort: number,
): (start: StartOne) => void {
  const base = options.publicUrl?.replace(/\/$/, '') ?? `http://${options.gateway.host}:${gatewayPort}`;
  const settings = {
    webhookUrlOf: (namespace: string, name: string) => `${base}/webhooks/${namespace}/${name}`,
    readSecret: secretReader(informers),
    addressTaken: addressTaken(informers),
    removeOutbox: (plan: WebhookPlan) => outboxes.remove(plan),
    followSink: (plan: WebhookPlan) => outboxes.follow(plan),
  };
  const everySource = (): readonly string[] => informers.of(WEBHOOK_SOURCE).all().map(keyOf);
  const shared = [SECRET, CHANNEL, ...BACKING_KINDS, KINDS.service, KINDS.route];
  const watched = [
    ...shared.map((kind) => ({ kind, concerns: everySource })),
    ...sameAddress(informers, WEBHOOK_SOURCE),
  ];
  return (start) => void start(client, webhookSourceReconciler(client, settings), watched);
}
