import { parseIsoDuration } from '../../base/duration.ts';
import type {
  AttributeSpec,
  VerificationSpec,
  WebhookSource,
} from '../../apis/sources/webhook-source/schema.ts';
import { presetOf } from './presets.ts';

/** How a delivery proves where it comes from. */
export type Verification =
  | { readonly kind: 'stripe'; readonly header: string; readonly toleranceMs: number }
  | { readonly kind: 'slack'; readonly toleranceMs: number }
  | { readonly kind: 'standardWebhooks'; readonly headerPrefix: string; readonly toleranceMs: number }
  | {
      readonly kind: 'hmac';
      readonly header: string;
      readonly prefix: string;
      readonly encoding: 'hex' | 'base64';
      readonly algorithm: 'sha1' | 'sha256' | 'sha384' | 'sha512';
    }
  | { readonly kind: 'token'; readonly header: string; readonly prefix: string }
  | { readonly kind: 'basic'; readonly usernameKey: string }
  | { readonly kind: 'none' };

export type SecretKey = { readonly name: string; readonly key: string; readonly isOptional: boolean };

/** Everything that the door has to know of a WebhookSource. */
export type WebhookPlan = {
  readonly key: string; // namespace/name
  readonly uid: string;
  readonly namespace: string;
  readonly verification: Verification;
  readonly secrets: readonly SecretKey[];
  readonly attributes: AttributeSpec;
  /** What `source` is when nothing else gives it. */
  readonly ownSource: string;
  /** Undefined until the sink has an address. */
  readonly sinkUrl: string | undefined;
  readonly overrides: ReadonlyMap<string, string>;
  readonly dedupeMs: number; // 0: none
  readonly handshake: { readonly origins: readonly string[]; readonly rate: number | undefined } | undefined;
};

/** Both ways: a clock may be ahead as well (Standard Webhooks, verifying; Slack, verifying requests; Stripe's default). */
const TOLERANCE = 'PT5M';
/** Documented; what is sent without a type of its own. */
export const DEFAULT_TYPE = 'dev.millrace.sources.webhook';

/** Depends on the object alone, which admission has found valid. */
export function planWebhookSource({ metadata, spec, status }: WebhookSource): WebhookPlan {
  const { namespace = '', name, uid = '' } = metadata;
  const preset = presetOf(spec.preset);
  const { secrets = [], handshake, attributes } = spec;
  return {
    key: `${namespace}/${name}`,
    uid,
    namespace,
    verification: verificationOf({ ...preset?.verification, ...spec.verification }),
    secrets: secrets.map(({ secretKeyRef }) => ({
      name: secretKeyRef?.name ?? '',
      key: secretKeyRef?.key ?? '',
      isOptional: secretKeyRef?.optional === true,
    })),
    attributes: {
      ...preset?.attributes,
      ...attributes,
      extensions: { ...preset?.attributes.extensions, ...attributes?.extensions },
    },
    ownSource: `/apis/sources.millrace.dev/v1alpha1/namespaces/${namespace}/webhooksources/${name}`,
    sinkUrl: status?.sinkUri,
    overrides: new Map(Object.entries(spec.ceOverrides?.extensions ?? {})),
    dedupeMs: parseIsoDuration(spec.dedupeWindow ?? '') ?? 0,
    handshake: handshake && { origins: handshake.allowedOrigins ?? [], rate: handshake.allowedRate },
  };
}

function verificationOf(spec: VerificationSpec): Verification {
  const { stripe, slack, standardWebhooks, hmac, token, basic } = spec;
  const toleranceMs = parseIsoDuration(spec.tolerance ?? TOLERANCE) ?? 0;
  if (stripe !== undefined)
    return { kind: 'stripe', header: lower(stripe.header ?? 'stripe-signature'), toleranceMs };
  if (slack !== undefined) return { kind: 'slack', toleranceMs };
  if (standardWebhooks !== undefined) {
    const headerPrefix = lower(standardWebhooks.headerPrefix ?? 'webhook');
    return { kind: 'standardWebhooks', headerPrefix, toleranceMs };
  }
  if (hmac !== undefined) {
    const { header = '', prefix = '', encoding = 'hex', algorithm = 'sha256' } = hmac;
    return { kind: 'hmac', header: lower(header), prefix, encoding, algorithm };
  }
  if (token !== undefined) {
    const header = lower(token.header ?? 'authorization');
    return { kind: 'token', header, prefix: token.prefix ?? (header === 'authorization' ? 'Bearer ' : '') };
  }
  if (basic !== undefined) return { kind: 'basic', usernameKey: basic.usernameKey ?? 'username' };
  return { kind: 'none' };
}

/** As node:http names headers. */
const lower = (header: string): string => header.toLowerCase();
