import type { ConditionSet, Mark } from '../apis/conditions.ts';
import { isEmpty } from '../apis/legacy/legacy-kind.ts';
import {
  CONTAINER_CONDITIONS_THEN,
  CONTAINER_SOURCE_THEN,
  type ContainerSourceThen,
} from '../apis/legacy/sources/container-source.ts';
import {
  GCP_PUBSUB_CONDITIONS,
  GCP_PUBSUB_SOURCE,
  type GcpPubSubSource,
} from '../apis/legacy/sources/gcp-pubsub-source.ts';
import {
  GITHUB_CONDITIONS_THEN,
  GITHUB_SOURCE_THEN,
  type GitHubSourceThen,
} from '../apis/legacy/sources/github-source.ts';
import type { SourceThen } from '../apis/legacy/sources/source-then.ts';
import type { Destination } from '../apis/duck.ts';
import type { Resource } from '../apis/resource.ts';
import { resolveDestination } from '../control/destination-resolver.ts';
import { settled, type Reconciler } from '../control/reconciler.ts';
import type { KindName, ResourceClient } from '../control/resource-client.ts';
import { GITHUB_SOURCE, PUBSUB_SOURCE } from './feed-sources.ts';
import { referenceNow } from './names-of-then.ts';
import { fieldOf, mirrored, missing, translate, type Translated } from './translation.ts';

export const CONTAINER_SOURCE = { apiVersion: 'sources.knative.dev/v1', kind: 'ContainerSource' };

/** One source kind of Knative 0.2: what it becomes, and what its conditions mirror. */
type SourceTranslation<R extends SourceThen> = {
  readonly kind: KindName;
  readonly conditions: ConditionSet;
  readonly now: KindName;
  readonly specOf: (source: R, sink: Destination) => Promise<Translated | Readonly<Record<string, unknown>>>;
  /** A condition of then that mirrors another of today's than Ready. */
  readonly mirrors: Readonly<Record<string, string>>;
  /** Fields of today's status that it had, too. */
  readonly fields: readonly string[];
};

export function gitHubSourceReconciler(cluster: ResourceClient): Reconciler<GitHubSourceThen> {
  return sourceReconciler(cluster, {
    kind: GITHUB_SOURCE_THEN,
    conditions: GITHUB_CONDITIONS_THEN,
    now: GITHUB_SOURCE,
    mirrors: { SecretsProvided: 'SecretsProvided', SinkProvided: 'SinkProvided' },
    fields: ['webhookIDKey'],
    async specOf({ spec }, sink) {
      const { ownerAndRepository, eventTypes, accessToken, secretToken } = spec ?? {};
      return { ownerAndRepository, eventTypes, accessToken, secretToken, sink };
    },
  });
}

export function gcpPubSubSourceReconciler(cluster: ResourceClient): Reconciler<GcpPubSubSource> {
  return sourceReconciler(cluster, {
    kind: GCP_PUBSUB_SOURCE,
    conditions: GCP_PUBSUB_CONDITIONS,
    now: PUBSUB_SOURCE,
    mirrors: { SinkProvided: 'SinkProvided' },
    fields: [],
    async specOf({ spec }, sink) {
      const { googleCloudProject: project, topic, gcpCredsSecret: secret } = spec ?? {};
      return { project, topic, ...(!isEmpty(secret) && { secret }), sink };
    },
  });
}

export function containerSourceReconciler(cluster: ResourceClient): Reconciler<ContainerSourceThen> {
  return sourceReconciler(cluster, {
    kind: CONTAINER_SOURCE_THEN,
    conditions: CONTAINER_CONDITIONS_THEN,
    now: CONTAINER_SOURCE,
    mirrors: { SinkProvided: 'SinkProvided' },
    fields: [],
    async specOf({ spec, metadata }, sink) {
      const { image, args = [], env = [], serviceAccountName } = spec ?? {};
      const isTold = args.some((each) => each.startsWith('--sink='));
      const url = await resolveDestination(cluster, sink, metadata.namespace ?? '');
      if (!isTold && url.kind === 'missing') return missing('NotFound', url.message);
      // Containers of then were told their sink by an argument; K_SINK, which today's have, is there as well.
      const told = !isTold && url.kind === 'url' ? [...args, `--sink=${url.url}`] : args;
      const containers = [{ name: 'source', image, args: told, env }];
      const account = serviceAccountName === undefined ? {} : { serviceAccountName };
      return { template: { spec: { containers, ...account } }, sink };
    },
  });
}

function sourceReconciler<R extends SourceThen>(
  cluster: ResourceClient,
  { kind, conditions, now, specOf, mirrors, fields }: SourceTranslation<R>,
): Reconciler<R> {
  return {
    kind,
    conditions,
    async reconcile(source) {
      const translated = await sourceNow(cluster, source, now, specOf);
      const status = Object.fromEntries(
        ['sinkUri', ...fields].map((field) => [field, fieldOf(translated, field)]),
      );
      const marks = conditions.dependents.map((type): Mark => mirrored(type, translated, mirrors[type]));
      return settled(status, ...marks, mirrored(conditions.happy, translated));
    },
  };
}

async function sourceNow<R extends SourceThen>(
  cluster: ResourceClient,
  source: R,
  now: KindName,
  specOf: SourceTranslation<R>['specOf'],
): Promise<Translated> {
  const { name, namespace = '' } = source.metadata;
  const { sink } = source.spec ?? {};
  if (sink === undefined || isEmpty(sink)) return missing('NotFound', 'spec.sink: required, and missing');
  const spec = await specOf(source, { ref: referenceNow(sink) });
  if ('kind' in spec && spec.kind === 'missing') return spec as Translated;
  return translate(cluster, source, { ...now, metadata: { name, namespace }, spec } as Resource);
}
