import { withNamespace } from '../../delivery.ts';
import type { GitHubSource } from './schema.ts';

/** The sink is in the source's own namespace unless it says another. */
export function setGitHubSourceDefaults(source: GitHubSource): GitHubSource {
  const sink = withNamespace(source.spec?.sink, source.metadata.namespace);
  return { ...source, spec: { ...source.spec, ...(sink !== undefined && { sink }) } };
}
