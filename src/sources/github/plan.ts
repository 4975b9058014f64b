import { parseIsoDuration } from '../../base/duration.ts';
import type { GitHubSource } from '../../apis/sources/github-source/schema.ts';
import { DEDUPE_WINDOW } from '../../apis/sources/github-source/validate.ts';

/** Everything that the receiver has to know of a GitHubSource. */
export type GitHubSourcePlan = {
  readonly key: string; // namespace/name
  readonly uid: string;
  readonly namespace: string;
  readonly ownerAndRepository: string;
  readonly eventTypes: ReadonlySet<string>;
  readonly secret: { readonly name: string; readonly key: string };
  /** Undefined until the sink has an address. */
  readonly sinkUrl: string | undefined;
  readonly extensions: ReadonlyMap<string, string>;
  readonly dedupeMs: number; // 0: none
};

/** Depends on the object alone. */
export function planGitHubSource({ metadata, spec, status }: GitHubSource): GitHubSourcePlan {
  const { namespace = '', name, uid = '' } = metadata;
  return {
    key: `${namespace}/${name}`,
    uid,
    namespace,
    ownerAndRepository: spec.ownerAndRepository,
    eventTypes: new Set(spec.eventTypes),
    secret: {
      name: spec.secretToken?.secretKeyRef?.name ?? '',
      key: spec.secretToken?.secretKeyRef?.key ?? '',
    },
    sinkUrl: status?.sinkUri,
    extensions: new Map(Object.entries(spec.ceOverrides?.extensions ?? {})),
    dedupeMs: parseIsoDuration(metadata.annotations?.[DEDUPE_WINDOW] ?? '') ?? 0,
  };
}
