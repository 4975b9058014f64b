import { keyOf, type Resource } from '../apis/resource.ts';
import { KINDS } from '../apis/serving/types.ts';
import { SINK_BINDING, type SinkBinding } from '../apis/sources/sink-binding/schema.ts';
import { isSubjectOf } from '../apis/sources/sink-binding/subject.ts';
import { CHANNEL } from '../channels/control/channel-reconciler.ts';
import { ownedBy } from '../control/controller.ts';
import type { EmbeddedClient } from '../control/embedded/embedded-client.ts';
import type { Informers } from '../control/informer.ts';
import { containerSourceReconciler } from '../sources/control/container-source-reconciler.ts';
import { sinkBindingReconciler } from '../sources/control/sink-binding-reconciler.ts';
import { BACKING_KINDS } from './adapters.ts';
import type { StartOne } from './controllers.ts';

const NAMESPACE = { apiVersion: 'v1', kind: 'Namespace' };

/** Starts the reconcilers of what is told its sink: SinkBindings, and the ContainerSources that have one each. */
export function bindingControllers(
  client: EmbeddedClient,
  informers: Informers,
): readonly ((start: StartOne) => void)[] {
  const bindings = (): readonly SinkBinding[] => informers.of(SINK_BINDING).all() as readonly SinkBinding[];
  const every = (): readonly string[] => bindings().map(keyOf);
  const ofSubject = (object: Resource): readonly string[] =>
    bindings()
      .filter((binding) => isSubjectOf(binding, object))
      .map(keyOf);
  const sinks = [CHANNEL, ...BACKING_KINDS, KINDS.service, KINDS.route, NAMESPACE, SINK_BINDING];
  const watches = [
    ...sinks.map((kind) => ({ kind, concerns: every })), // a Service may be a sink, a subject, or both
    ...[KINDS.configuration, KINDS.deployment].map((kind) => ({ kind, concerns: ofSubject })),
  ];
  const parts = [SINK_BINDING, KINDS.deployment].map((kind) => ({
    kind,
    concerns: ownedBy('ContainerSource'),
  }));
  return [
    (start) => void start(client, sinkBindingReconciler(client), watches),
    (start) => void start(client, containerSourceReconciler(client), parts),
  ];
}
