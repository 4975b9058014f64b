import type { AdmissionContext } from '../../kind.ts';
import { withSubscribable } from '../channelable.ts';
import type { Channel } from './schema.ts';

/** When ConfigMap `default-ch-webhook` says nothing (contract: Where a channel lives). */
const DEFAULT_TEMPLATE = { apiVersion: 'messaging.knative.dev/v1alpha1', kind: 'LogChannel' };

/** The template is taken from ConfigMap `default-ch-webhook`, by namespace or for all, once (channel_defaults.go). */
export function setChannelDefaults(channel: Channel, context: AdmissionContext): Channel {
  const subscribable = withSubscribable(channel);
  if (channel.spec?.channelTemplate !== undefined) return subscribable;
  const channelTemplate = templateFor(channel.metadata.namespace ?? '', context);
  return { ...subscribable, spec: { ...subscribable.spec, channelTemplate } };
}

function templateFor(namespace: string, context: AdmissionContext): { apiVersion: string; kind: string } {
  const config = context.configMap('knative-eventing', 'default-ch-webhook')?.['default-ch-config'] ?? '';
  return (
    sectionOf(config, 'namespaceDefaults', namespace) ??
    sectionOf(config, 'clusterDefault') ??
    DEFAULT_TEMPLATE
  );
}

/**
 * `apiVersion` and `kind` below a heading of the ConfigMap's text, which is YAML in the fixed form that Knative ships:
 * `clusterDefault:` with its two lines, `namespaceDefaults:` with a name and two lines for each.
 */
function sectionOf(
  text: string,
  heading: string,
  name?: string,
): { apiVersion: string; kind: string } | undefined {
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`${heading}:`));
  if (start < 0) return undefined;
  const end = lines.findIndex((line, i) => i > start && /^\S/.test(line));
  const body = lines.slice(start + 1, end < 0 ? lines.length : end);
  const from = name === undefined ? 0 : body.findIndex((line) => line.trim() === `${name}:`) + 1;
  if (name !== undefined && from === 0) return undefined;
  const read = (field: string): string | undefined =>
    /:\s*(\S+)/.exec(body.slice(from).find((line) => line.trim().startsWith(`${field}:`)) ?? '')?.[1];
  const [apiVersion, kind] = [read('apiVersion'), read('kind')];
  return apiVersion === undefined || kind === undefined ? undefined : { apiVersion, kind };
}
