import type { WebhookSource } from './schema.ts';

/** An HMAC says how it is written and hashed, so that the object tells what is checked. */
export function setWebhookSourceDefaults(source: WebhookSource): WebhookSource {
  const { verification } = source.spec;
  if (verification?.hmac === undefined) return source;
  const hmac = { encoding: 'hex', algorithm: 'sha256', ...verification.hmac } as const;
  return { ...source, spec: { ...source.spec, verification: { ...verification, hmac } } };
}
