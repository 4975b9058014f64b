import { isFalse } from '../../apis/conditions.ts';
import { comesTrue, parseCron, type CronSchedule } from '../../apis/sources/ping-source/cron.ts';
import type { PingSource } from '../../apis/sources/ping-source/schema.ts';
import type { Planned } from '../source.ts';
import { pingSourceUri } from './event.ts';

export type PingPlan = {
  readonly uid: string;
  readonly source: string;
  readonly schedule: CronSchedule;
  /** Undefined: the events have no body. */
  readonly payload:
    | {
        readonly text: string;
        readonly encoding: 'utf8' | 'base64';
        readonly contentType: string | undefined;
      }
    | undefined;
};

export function planPingSource({ metadata, spec }: PingSource): Planned<PingPlan> {
  const { uid = '', namespace = '', name } = metadata;
  const parsed = parseCron(spec.schedule, spec.timezone);
  if (parsed.kind === 'fault')
    return { kind: 'missing', mark: isFalse('Deployed', 'ScheduleInvalid', parsed.message) };
  if (!comesTrue(parsed.schedule)) {
    const message = `no calendar has such a day, so ${JSON.stringify(spec.schedule)} never comes true`;
    return { kind: 'missing', mark: isFalse('Deployed', 'ScheduleNeverComesTrue', message) };
  }
  const source = pingSourceUri(namespace, name);
  return { kind: 'plan', plan: { uid, source, schedule: parsed.schedule, payload: payloadOf(spec) } };
}

function payloadOf({
  data = '',
  dataBase64 = '',
  contentType = '',
}: PingSource['spec']): PingPlan['payload'] {
  const text = dataBase64 === '' ? data : dataBase64;
  if (text === '') return undefined;
  const encoding = dataBase64 === '' ? 'utf8' : 'base64';
  return { text, encoding, contentType: contentType === '' ? undefined : contentType };
}
