import Type, { type Static } from 'typebox';
import { openObject, text } from '../../schema.ts';
import { secretKeyThen } from '../legacy-kind.ts';

/** Which events a Feed or a Flow takes (eventing 540e45168, feed_types.go). */
export const trigger = Type.Object(
  {
    eventType: Type.Optional(text('The EventType, of the same namespace or one that needs no object.')),
    clusterEventType: Type.Optional(text('The ClusterEventType.')),
    resource: Type.Optional(text('What is watched: owner/repository, projects/P/topics/T.')),
    service: Type.Optional(text('The system that it is in: github, k8sevents, pubsub.googleapis.com.')),
    parameters: Type.Optional(openObject('What the source needs to know beside.')),
    parametersFrom: Type.Optional(
      Type.Array(
        Type.Object({
          secretKeyRef: Type.Optional(secretKeyThen('A key of a Secret whose value is a JSON object.')),
        }),
        { description: 'Parameters that are secret.' },
      ),
    ),
  },
  { description: 'Which events.' },
);

export type Trigger = Static<typeof trigger>;
