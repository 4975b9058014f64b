import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { Status } from '../../duck.ts';
import { missingField, oneOf } from '../../field-error.ts';
import type { FieldError, KindDefinition } from '../../kind.ts';
import type { Resource } from '../../resource.ts';
import { openObject, text } from '../../schema.ts';
import { triggerErrors } from '../feeds/feed.ts';
import { trigger } from '../feeds/trigger.ts';
import { both, invalidThen, keyNameErrors } from '../field-errors.ts';
import { isEmpty, LEGACY_WEBHOOK, legacyKind, referenceThen } from '../legacy-kind.ts';

const flowSpec = Type.Object(
  {
    action: Type.Optional(
      Type.Object(
        {
          target: Type.Optional(referenceThen('Who gets the events.')),
          targetURI: Type.Optional(text('The same, as a URL.')),
        },
        { description: 'Where the events go.' },
      ),
    ),
    trigger: Type.Optional(trigger),
    serviceAccountName: Type.Optional(text('Not used.')),
  },
  { description: 'What is desired.' },
);

/** A Channel, a Subscription and a Feed in one (eventing 540e45168, flow_types.go). */
export type Flow = Resource & {
  readonly spec?: Static<typeof flowSpec>;
  readonly status?: Status & { readonly channelTarget?: string };
};

export const FLOW = { apiVersion: 'flows.knative.dev/v1alpha1', kind: 'Flow' };

export const FLOW_CONDITIONS: ConditionSet = {
  happy: 'Ready',
  dependents: ['ActionTargetResolved', 'ChannelReady', 'SubscriptionReady', 'FeedReady'],
};

export const flowKind: KindDefinition<Flow> = legacyKind<Flow>(
  { group: 'flows.knative.dev', kind: 'Flow', plural: 'flows', singular: 'flow', webhook: LEGACY_WEBHOOK },
  {
    spec: flowSpec,
    status: {
      channelTarget: Type.Optional(text('Host name of its channel.')),
      flowContext: Type.Optional(openObject('Not used.')),
    },
    validate: flowErrors,
  },
);

/** flow_validation.go. */
function flowErrors({ spec }: Flow): FieldError[] {
  if (isEmpty(spec)) return [missingField('spec.trigger', 'spec.action')];
  const { eventType, clusterEventType } = spec?.trigger ?? {};
  if (!eventType && !clusterEventType) return [missingField('spec.trigger.eventType')];
  const errors = triggerErrors(spec?.trigger);
  return errors.length > 0 ? errors : actionErrors(spec?.action);
}

function actionErrors({
  target,
  targetURI,
}: NonNullable<NonNullable<Flow['spec']>['action']> = {}): FieldError[] {
  const paths = ['spec.action.target', 'spec.action.targetURI'] as const;
  if (target !== undefined && targetURI !== undefined) return [both(...paths)];
  if (target === undefined && targetURI === undefined) return [oneOf(...paths)];
  if (targetURI !== undefined)
    return URL.canParse(targetURI) && /^https?:/.test(targetURI) ? [] : [invalidThen(targetURI, paths[1])];
  const { name = '', kind = '' } = target ?? {};
  if (keyNameErrors(name, '').length > 0) return [invalidThen(name, `${paths[0]}.name`)];
  return kind === '' ? [missingField(`${paths[0]}.kind`)] : [];
}
