import type { KindDefinition } from '../../kind.ts';
import { CHANNEL_COLUMNS, CRD_LABELS, WEBHOOK } from '../channelable.ts';
import { setChannelDefaults } from './defaults.ts';
import { channelSchema, type Channel } from './schema.ts';
import { channelErrors } from './validate.ts';

export const channelKind: KindDefinition<Channel> = {
  group: 'messaging.knative.dev',
  versions: ['v1'],
  kind: 'Channel',
  plural: 'channels',
  singular: 'channel',
  shortNames: ['ch'],
  categories: ['all', 'knative', 'messaging', 'channel'],
  scope: 'Namespaced',
  schema: channelSchema,
  columns: CHANNEL_COLUMNS,
  subresources: { status: true },
  crd: { labels: CRD_LABELS, annotations: {} },
  webhook: WEBHOOK,
  setDefaults: setChannelDefaults,
  validate: channelErrors,
};
