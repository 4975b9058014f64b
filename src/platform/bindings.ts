import { keyOf, type Resource } from '../apis/resource.ts';
import { KINDS } from '../apis/serving/types.ts';
import { SINK_BINDING, type SinkBinding } from '../apis/sources/sink-binding/schema.ts';
import { isSubjectOf } from '../apis/sources/sink-binding/subject.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { sinkBindingReconciler } from '../sources/control/sink-binding-reconciler.ts';
import { BACKING_KINDS } from './adapters.ts';
import type { StartOne } from './controllers.ts';

const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace' };

/** Starts the reconciler of SinkBindings, which looks again when a sink or a subject changes. */
export function bindingController(client: EmbeddedClient, informers: Informers): (start: StartOne) => void {
  const bindings = (): readonly SinkBinding[] => informers.of(SINK_BINDING).all() as readonly SinkBinding[];
  const every = (): readonly string[] => bindings().map(keyOf);
  const ofSubject = (object: Resource): readonly string[] =>
    bindings()
      .filter((binding) => isSubjectOf(binding, object))
      .map(keyOf);
  const sinks = [CHANNEL, ...BACKING_KINDS, KINDS.route, NAMESPACE, SINK_BINDING];
  const subjects = [KINDS.configuration, KINDS.deployment];
  const watches = [
    ...sinks.map((kind) => ({ kind, concerns: every })),
    ...subjects.map((kind) => ({ kind, concerns: ofSubject })),
    { kind: KINDS.service, concerns: every }, // either of both
  ];
  return (start) => void start(client, sinkBindingReconciler(client), watches);
}
