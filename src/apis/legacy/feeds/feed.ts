import Type, { type Static } from 'typebox';
import type { ConditionSet } from '../../conditions.ts';
import type { Status } from '../../duck.ts';
import { missingField, oneOf } from '../../field-error.ts';
import type { FieldError, KindDefinition } from '../../kind.ts';
import { subdomainFault } from '../../names.ts';
import type { Resource } from '../../resource.ts';
import { openObject, text } from '../../schema.ts';
import { both, invalidThen, keyNameErrors } from '../field-errors.ts';
import { LEGACY_WEBHOOK, legacyKind } from '../legacy-kind.ts';
import { trigger, type Trigger } from './trigger.ts';

export const FEEDS_GROUP = 'feeds.knative.dev';

const feedSpec = Type.Object(
  {
    action: Type.Optional(
      Type.Object(
        {
          dnsName: Type.Optional(text('DNS name of who gets the events.')),
          routeName: Type.Optional(text('The Route of the same namespace, as the first samples said it.')),
          channelName: Type.Optional(
            text('The Channel of the same namespace, as the first samples said it.'),
          ),
        },
        { description: 'Where the events go.' },
      ),
    ),
    trigger: Type.Optional(trigger),
    serviceAccountName: Type.Optional(text('Not used.')),
  },
  { description: 'What is desired.' },
);

/** Brings events of a type to a target (eventing 540e45168, feed_types.go). */
export type Feed = Resource & {
  readonly spec?: Static<typeof feedSpec>;
  readonly status?: Status & { readonly feedContext?: Readonly<Record<string, unknown>> };
};

export const FEED = { apiVersion: `${FEEDS_GROUP}/v1alpha1`, kind: 'Feed' };

export const FEED_CONDITIONS: ConditionSet = { happy: 'Ready', dependents: ['DependenciesSatisfied'] };

export const feedKind: KindDefinition<Feed> = legacyKind<Feed>(
  { group: FEEDS_GROUP, kind: 'Feed', plural: 'feeds', singular: 'feed', webhook: LEGACY_WEBHOOK },
  {
    spec: feedSpec,
    status: { feedContext: Type.Optional(openObject('What was made for it.')) },
    validate: ({ spec }) => {
      const errors = triggerErrors(spec?.trigger);
      return errors.length > 0 ? errors : actionErrors(spec?.action);
    },
  },
);

/** feed_validation.go. */
export function triggerErrors({
  eventType = '',
  clusterEventType = '',
  resource = '',
}: Trigger = {}): FieldError[] {
  const paths = ['spec.trigger.eventType', 'spec.trigger.clusterEventType'] as const;
  if (eventType !== '' && clusterEventType !== '') return [both(...paths)];
  if (eventType === '' && clusterEventType === '') return [oneOf(...paths)];
  const named =
    eventType === '' ? keyNameErrors(clusterEventType, paths[1]) : keyNameErrors(eventType, paths[0]);
  return named.length === 0 && resource === '' ? [missingField('spec.trigger.resource')] : named;
}

/** Of then: what a dnsName looks like. And one target is needed, which was found out later then. */
function actionErrors(action: NonNullable<Feed['spec']>['action'] = {}): FieldError[] {
  const given = (['dnsName', 'routeName', 'channelName'] as const).filter((field) => action[field]);
  if (given.length === 0) return [missingField('spec.action.dnsName')];
  if (given.length > 1) return [both(...given.map((field) => `spec.action.${field}`))];
  const [field = 'dnsName'] = given;
  const fault = subdomainFault(action[field] ?? '');
  return fault === undefined ? [] : [invalidThen(action[field] ?? '', `spec.action.${field}`, fault)];
}
