import type { PingSource } from './schema.ts';

/** Every minute (eventing pkg/apis/sources/v1/ping_defaults.go). */
const SCHEDULE = '* * * * *';

export function setPingSourceDefaults(source: PingSource): PingSource {
  return { ...source, spec: { ...source.spec, schedule: source.spec?.schedule || SCHEDULE } };
}
