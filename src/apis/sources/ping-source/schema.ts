import Type from 'typebox';
import { text } from '../../schema.ts';
import type { SourceObject } from '../source-kind.ts';

export const pingSourceSpec = {
  schedule: Type.Optional(
    text('Cron: [second] minute hour day-of-month month day-of-week, or a descriptor such as @daily.'),
  ),
  timezone: Type.Optional(
    text('IANA name of the time zone of the schedule; that of the platform when absent.'),
  ),
  contentType: Type.Optional(text('The media type of the data.')),
  data: Type.Optional(text('The body of each event. Mutually exclusive with dataBase64.')),
  dataBase64: Type.Optional(text('The body of each event in base64. Mutually exclusive with data.')),
};

export type PingSource = SourceObject & {
  readonly spec: SourceObject['spec'] & {
    readonly schedule: string;
    readonly timezone?: string;
    readonly contentType?: string;
    readonly data?: string;
    readonly dataBase64?: string;
  };
};

export const PING_SOURCE = { apiVersion: 'sources.knative.dev/v1', kind: 'PingSource' };
