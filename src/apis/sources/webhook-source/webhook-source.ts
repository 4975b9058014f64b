import Type from 'typebox';
import { AGE } from '../../core/core-kinds.ts';
import { text } from '../../schema.ts';
import { READY_COLUMNS, SINK_COLUMN, sourceKind } from '../source-kind.ts';
import { setWebhookSourceDefaults } from './defaults.ts';
import { webhookSourceSpec, type WebhookSource } from './schema.ts';
import { webhookSourceErrors, webhookSourceWarnings } from './validate.ts';

/** Webhooks of services that have no kind of their own. There is no such kind upstream. */
export const webhookSourceKind = sourceKind<WebhookSource>(
  {
    group: 'sources.millrace.dev',
    versions: ['v1alpha1'],
    kind: 'WebhookSource',
    plural: 'webhooksources',
    singular: 'webhooksource',
    webhook: 'validation.webhook.sources.millrace.dev',
  },
  {
    spec: webhookSourceSpec,
    status: { webhookURL: Type.Optional(text('The address to enter at the service.')) },
    columns: [
      { name: 'URL', type: 'string', from: '.status.webhookURL' },
      SINK_COLUMN,
      AGE,
      ...READY_COLUMNS,
    ],
    setDefaults: setWebhookSourceDefaults,
    validate: webhookSourceErrors,
    warn: webhookSourceWarnings,
  },
);
