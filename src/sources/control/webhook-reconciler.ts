import { isFalse, isTrue, type Mark } from '../../apis/conditions.ts';
import type { CeAttributes } from '../../apis/sources/source-kind.ts';
import {
  WEBHOOK_SOURCE,
  type ValueFrom,
  type WebhookSource,
} from '../../apis/sources/webhook-source/schema.ts';
import { WEBHOOK_SOURCE_CONDITIONS } from '../../apis/sources/webhook-source/status.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import { settled, type Reconciler, type Told } from '../../control/reconciler.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import type { ReadSecret } from '../source.ts';
import { DEFAULT_TYPE, planWebhookSource, type WebhookPlan } from '../webhook/plan.ts';
import { standardKey } from '../webhook/signature-headers.ts';
import { eventsGivenUp } from './given-up.ts';

export type WebhookSettings = {
  readonly webhookUrlOf: (namespace: string, name: string) => string;
  readonly readSecret: ReadSecret;
  /** Why the source cannot have its address; undefined: it can. */
  readonly addressTaken: (source: WebhookSource) => string | undefined;
  /** Gives up what is still owed to the sink, and says how many events that were. */
  readonly removeOutbox: (plan: WebhookPlan) => Promise<number>;
  /** What is owed goes to the sink that the source has now. */
  readonly followSink: (plan: WebhookPlan) => Promise<void>;
};

/** Says whether a WebhookSource can take deliveries, and where they are to be sent. */
export function webhookSourceReconciler(
  reader: ResourceReader,
  { webhookUrlOf, readSecret, addressTaken, removeOutbox, followSink }: WebhookSettings,
): Reconciler<WebhookSource> {
  return {
    kind: WEBHOOK_SOURCE,
    conditions: WEBHOOK_SOURCE_CONDITIONS,
    finalizer: 'webhooksources.sources.millrace.dev',
    async reconcile(source) {
      const { namespace = '', name } = source.metadata;
      const resolved = await resolveDestination(reader, source.spec.sink ?? {}, namespace);
      const sinkUri = resolved.kind === 'url' ? resolved.url : undefined;
      const plan = { ...planWebhookSource(source), sinkUrl: sinkUri };
      await followSink(plan);
      const sink =
        resolved.kind === 'url'
          ? isTrue('SinkProvided')
          : isFalse('SinkProvided', 'NotFound', resolved.message);
      const webhookURL = webhookUrlOf(namespace, name);
      return settled(
        { sinkUri, webhookURL, ceAttributes: [ceAttributesOf(plan)] },
        secretsMark(plan, readSecret),
        sink,
        addressMark(addressTaken(source), webhookURL),
      );
    },
    async finalize(source): Promise<readonly Told[]> {
      return eventsGivenUp(await removeOutbox(planWebhookSource(source)));
    },
  };
}

/** Optional secrets may be missing, but one has to be there; and each that is has to be of use. */
function secretsMark({ verification, secrets, namespace }: WebhookPlan, readSecret: ReadSecret): Mark {
  if (verification.kind === 'none')
    return isTrue('SecretsProvided', 'NoVerification', 'whoever knows the address can send events');
  let found = 0;
  for (const { name, key, isOptional } of secrets) {
    const value = readSecret(namespace, name, key);
    const fault = (what: string): Mark =>
      isFalse('SecretsProvided', 'SecretNotFound', `Secret ${namespace}/${name} ${what}`);
    if (value === undefined || value === '') {
      if (!isOptional) return fault(`is not there, or has no key ${key}`);
      continue;
    }
    found += 1;
    if (verification.kind === 'standardWebhooks' && standardKey(value) === undefined)
      return isFalse(
        'SecretsProvided',
        'SecretUnusable',
        `Secret ${namespace}/${name}: ${key} is no base64 (whsec_…)`,
      );
    if (verification.kind === 'basic' && !readSecret(namespace, name, verification.usernameKey))
      return fault(`has no key ${verification.usernameKey} for the user name`);
  }
  return found > 0
    ? isTrue('SecretsProvided')
    : isFalse('SecretsProvided', 'SecretNotFound', 'none of the optional secrets is there');
}

function addressMark(taken: string | undefined, webhookURL: string): Mark {
  if (taken !== undefined) return isFalse('WebhookConfigured', 'AddressTaken', taken);
  return isTrue('WebhookConfigured', 'Manual', `enter at the service: ${webhookURL}`);
}

/** What differs from event to event stands as `*` behind what all have. */
function ceAttributesOf({ attributes: { type, source }, ownSource }: WebhookPlan): CeAttributes {
  return { type: patternOf(type) ?? DEFAULT_TYPE, source: patternOf(source) ?? ownSource };
}

function patternOf(from: ValueFrom | undefined): string | undefined {
  return from && (from.value ?? `${from.prefix ?? ''}*`);
}
