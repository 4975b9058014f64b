import { isFalse, isTrue, type Mark } from '../apis/conditions.ts';
import type { Destination } from '../apis/duck.ts';
import { FEED, FEED_CONDITIONS, type Feed } from '../apis/legacy/feeds/feed.ts';
import { keyOf, type Resource } from '../apis/resource.ts';
import { isOwnedBy } from '../control/owned.ts';
import { settled, type Outcome, type Reconciler } from '../control/reconciler.ts';
import type { ResourceClient } from '../control/resource-client.ts';
import { originOf } from './feed-origin.ts';
import { parametersOf } from './feed-parameters.ts';
import { sourceOfFeed } from './feed-sources.ts';
import { CHANNEL, destinationNamed } from './names-of-then.ts';
import { KINDS } from '../apis/serving/types.ts';
import { fieldOf, findServed, mirrored, translate, type Translated } from './translation.ts';

/** A Feed becomes the source of today that takes the same events to the same target. */
export function feedReconciler(cluster: ResourceClient): Reconciler<Feed> {
  return {
    kind: FEED,
    conditions: FEED_CONDITIONS,
    async reconcile(feed) {
      const { namespace = '' } = feed.metadata;
      const trigger = feed.spec?.trigger ?? {};
      const found = await originOf(cluster, trigger, namespace);
      if (found.kind === 'none') return unsatisfied(found);
      const parameters = await parametersOf(cluster, trigger, namespace);
      if (parameters.kind === 'missing') return unsatisfied(parameters);
      const sink = await targetOf(cluster, feed);
      const planned = sourceOfFeed(feed, found.origin, parameters.values, sink);
      if (planned.kind === 'missing') return unsatisfied(planned);
      await removeOther(cluster, feed, planned.source.kind);
      const translated = await translate(cluster, feed, planned.source);
      const secret = await secretOf(cluster, translated, planned.secret);
      if (secret?.kind === 'missing') return unsatisfied(secret);
      return settled(
        { feedContext: contextOf(translated) },
        isTrue('DependenciesSatisfied'),
        readiness(translated),
      );
    },
  };
}

function unsatisfied({ reason, message }: { reason: string; message: string }): Outcome {
  return settled({}, isFalse('DependenciesSatisfied', reason, message));
}

async function targetOf(cluster: ResourceClient, { spec, metadata }: Feed): Promise<Destination> {
  const { dnsName = '', routeName = '', channelName = '' } = spec?.action ?? {};
  const { namespace = '' } = metadata;
  if (routeName !== '') return { ref: { ...KINDS.route, name: routeName, namespace } };
  if (channelName !== '' && !channelName.includes('.'))
    return { ref: { ...CHANNEL, name: channelName, namespace } };
  return destinationNamed(cluster, dnsName === '' ? channelName : dnsName, namespace);
}

/** It belongs to the source, which needs it to the last: what was registered at GitHub is undone with it. */
async function secretOf(
  cluster: ResourceClient,
  source: Translated,
  secret: Resource | undefined,
): Promise<Translated | undefined> {
  return secret === undefined || source.kind === 'missing'
    ? undefined
    : translate(cluster, source.object, secret);
}

/** In the words of the job that started a feed then. */
function readiness(translated: Translated): Mark {
  const mark = mirrored('Ready', translated);
  if (mark.status !== 'True' || translated.kind === 'missing') return mark;
  const { object } = translated;
  return isTrue('Ready', 'FeedSuccess', `${object.kind} ${keyOf(object)} is ready`);
}

/** What a feedlet handed back to be stopped by: here, the source, and the webhook when there is one. */
function contextOf(translated: Translated): Readonly<Record<string, unknown>> | undefined {
  if (translated.kind === 'missing') return undefined;
  const { apiVersion, kind, metadata } = translated.object;
  const id = fieldOf(translated, 'webhookIDKey');
  return { source: { apiVersion, kind, name: metadata.name }, ...(id !== undefined && { id }) };
}

/** A Feed whose trigger was edited may have been of another kind before. */
async function removeOther(cluster: ResourceClient, feed: Feed, kind: string): Promise<void> {
  const source = Object(feed.status?.feedContext?.['source']) as { apiVersion?: string; kind?: string };
  if (source.kind === undefined || source.apiVersion === undefined || source.kind === kind) return;
  const { name, namespace } = feed.metadata;
  const other = { apiVersion: source.apiVersion, kind: source.kind };
  const found = await findServed(cluster, other, namespace, name);
  if (typeof found === 'object' && isOwnedBy(found, feed)) await cluster.remove(other, namespace, name);
}
