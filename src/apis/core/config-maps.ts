import { crc32 } from 'node:zlib';
import { parseAutoscalerConfig } from '../autoscaling/config.ts';
import type { FieldError } from '../kind.ts';
import { domainFault } from '../networking/domain-config.ts';
import { networkFault } from '../networking/network-config.ts';
import type { Resource } from '../resource.ts';
import { defaultsFault, deploymentFault } from '../serving/defaults-config.ts';
import { parseGcConfig } from '../serving/gc-config.ts';
import { observabilityFault } from '../serving/observability-config.ts';

type Data = Readonly<Record<string, string>>;
type ConfigMap = Resource & { readonly data?: unknown };

/** What upstream says is wrong with the data of one of its ConfigMaps; undefined: nothing. */
type Check = (data: Data) => string | undefined;

const CHECKS: Readonly<Record<string, Check>> = {
  'knative-serving/config-autoscaler': (data) => {
    const parsed = parseAutoscalerConfig(data);
    return 'fault' in parsed ? parsed.fault : undefined;
  },
  'knative-serving/config-gc': (data) => {
    const parsed = parseGcConfig(data);
    return 'fault' in parsed ? parsed.fault : undefined;
  },
  'knative-serving/config-network': networkFault,
  'knative-serving/config-domain': domainFault,
  'knative-serving/config-observability': observabilityFault,
  'knative-serving/config-defaults': defaultsFault,
  'knative-serving/config-deployment': deploymentFault,
};

const WEBHOOKS: Readonly<Record<string, string>> = {
  'knative-serving': 'config.webhook.serving.knative.dev',
  'knative-eventing': 'config.webhook.eventing.knative.dev',
};

/** The name that upstream's webhook for ConfigMaps denies with; it looks at its own namespace only. */
export function configWebhookOf({ metadata }: Resource): string | undefined {
  return WEBHOOKS[metadata.namespace ?? ''];
}

/** knative pkg/webhook/configmaps: a ConfigMap that its reader could not take is refused, with the reader's words. */
export function configMapErrors(configMap: ConfigMap): readonly FieldError[] {
  const { namespace = '', name } = configMap.metadata;
  if (WEBHOOKS[namespace] === undefined) return [];
  const data = (configMap.data ?? {}) as Data; // by its schema
  const fault = exampleFault(configMap, data) ?? CHECKS[`${namespace}/${name}`]?.(data);
  return fault === undefined ? [] : [{ message: fault, paths: [] }];
}

/** `_example` documents the keys; who edits it meant to set one. Its checksum is how that is seen (configmap/hash-gen). */
function exampleFault({ metadata }: Resource, { _example: example }: Data): string | undefined {
  const checksum =
    metadata.annotations?.['knative.dev/example-checksum'] ??
    metadata.labels?.['knative.dev/example-checksum'];
  if (example === undefined || checksum === undefined || checksum === checksumOf(example)) return undefined;
  return 'the update modifies a key in "_example" which is probably not what you want. Instead, copy the respective setting to the top-level of the ConfigMap, directly below "data"';
}

/** Of the text without the white space around it. */
function checksumOf(example: string): string {
  return crc32(example.trim()).toString(16).padStart(8, '0');
}
