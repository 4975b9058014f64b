import { AGE } from '../../core/core-kinds.ts';
import { READY_COLUMNS, SINK_COLUMN, sourceKind } from '../source-kind.ts';
import { setPingSourceDefaults } from './defaults.ts';
import { pingSourceSpec, type PingSource } from './schema.ts';
import { pingSourceErrors, pingSourceWarnings } from './validate.ts';

/** An event of a fixed payload at the times of a cron schedule (eventing config/core/resources/pingsource.yaml). */
export const pingSourceKind = sourceKind<PingSource>(
  {
    kind: 'PingSource',
    plural: 'pingsources',
    singular: 'pingsource',
    versions: ['v1', 'v1beta2'],
  },
  {
    spec: pingSourceSpec,
    columns: [
      SINK_COLUMN,
      { name: 'Schedule', type: 'string', from: '.spec.schedule' },
      AGE,
      ...READY_COLUMNS,
    ],
    annotations: { 'registry.knative.dev/eventTypes': '[{"type": "dev.knative.sources.ping"}]' },
    setDefaults: setPingSourceDefaults,
    validate: pingSourceErrors,
    warn: pingSourceWarnings,
  },
);
