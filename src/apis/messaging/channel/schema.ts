import Type, { type Static } from 'typebox';
import type { BackingChannel, KReference } from '../../duck.ts';
import { objectReference, openObject, text } from '../../schema.ts';
import { channelableSpec, channelableStatus } from '../channelable.ts';

export const channelSchema = Type.Object({
  spec: Type.Optional(
    Type.Object(
      {
        channelTemplate: Type.Optional(
          Type.Object(
            {
              apiVersion: Type.Optional(text('API version of the backing channel.')),
              kind: Type.Optional(text('Kind of the backing channel.')),
              spec: Type.Optional(openObject('Spec of the backing channel.')),
            },
            { description: 'Which kind of channel keeps the events.' },
          ),
        ),
        ...channelableSpec,
      },
      { description: 'What is desired.' },
    ),
  ),
  status: Type.Optional(
    Type.Object(
      { ...channelableStatus, channel: Type.Optional(objectReference) },
      { description: 'What there is.' },
    ),
  ),
});

type Template = NonNullable<NonNullable<Static<typeof channelSchema>['spec']>['channelTemplate']>;

/** The Channel of messaging.knative.dev: it names the channel that really keeps the events. */
export type Channel = BackingChannel & {
  readonly spec?: { readonly channelTemplate?: Template };
  readonly status?: { readonly channel?: KReference };
};
