import { isFalse, isTrue, isUnknown, type Mark } from '../../apis/conditions.ts';
import type { Destination } from '../../apis/duck.ts';
import type { SourceObject } from '../../apis/sources/source-kind.ts';
import { resolveDestination } from '../../control/destination-resolver.ts';
import type { Outcome, Reconciler } from '../../control/reconciler.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import type { Planned, ReadSecret, SourceContext, SourceKind, SourceState } from '../source.ts';
import { eventsGivenUp } from './given-up.ts';

/** The data plane's side of sources: it runs what a plan says, and tells how that stands. */
export interface SourceHost {
  /** Runs the source by this plan, anew when the plan, the sink or the overrides are others than before. */
  run(source: SourceObject, plan: unknown, sinkUrl: string): Promise<SourceState>;
  /** It runs no more; what it has read stays remembered. */
  stop(source: SourceObject): Promise<void>;
  /**
   * Stops it, undoes at its origin what outlives it, and forgets how far it had come. `plan` is undefined when none can be
   * made. Says how many events it had accepted for good that its sink has not taken: they are given up.
   */
  remove(source: SourceObject, plan: unknown): Promise<number>;
}

export type SourceSettings = {
  readonly host: SourceHost;
  readonly readSecret: ReadSecret;
  readonly context: SourceContext;
};

/** Any source kind: resolves its sink, makes its plan, has the host run it, and says how it stands. */
export function sourceReconciler<R extends SourceObject, Plan>(
  kind: SourceKind<R, Plan>,
  reader: ResourceReader,
  { host, readSecret, context }: SourceSettings,
): Reconciler<R> {
  const sinkOf = (source: R): Destination => kind.sinkOf?.(source) ?? source.spec.sink ?? {};
  const planOf = (source: R): Planned<Plan> => kind.plan(source, readSecret, context);
  return {
    kind: kind.kind,
    conditions: { happy: 'Ready', dependents: kind.conditions },
    finalizer: finalizerOf(kind.kind),
    async reconcile(source) {
      const { namespace = '' } = source.metadata;
      const resolved = await resolveDestination(reader, sinkOf(source), namespace);
      const planned = planOf(source);
      const sinkUri = resolved.kind === 'url' ? resolved.url : undefined;
      const plan = planned.kind === 'plan' ? planned.plan : undefined;
      const own = kind.fields?.(source, context, plan);
      const status = { ...own, sinkUri, ceAttributes: kind.ceAttributes(source, context, plan) };
      const sink =
        resolved.kind === 'url'
          ? isTrue('SinkProvided')
          : isFalse('SinkProvided', 'NotFound', resolved.message);
      if (planned.kind === 'missing' || resolved.kind === 'missing') {
        await host.stop(source);
        return outcome(status, kind.conditions, planned.kind === 'missing' ? [sink, planned.mark] : [sink]);
      }
      const state = await host.run(source, planned.plan, resolved.url);
      const fields = state.kind === 'running' ? state.fields : undefined;
      return outcome({ ...status, ...fields }, kind.conditions, marksOf(state, kind.conditions, sink));
    },
    async finalize(source) {
      const planned = planOf(source);
      const owed = await host.remove(source, planned.kind === 'plan' ? planned.plan : undefined);
      const told = eventsGivenUp(owed);
      if (planned.kind === 'plan' || !kind.leavesSomething) return told;
      const { reason = '', message = '' } = planned.mark;
      const left = `what was made for it at its origin is left there: ${reason} ${message}`;
      return [...told, { type: 'Warning', reason: 'OriginNotCleaned', message: left }];
    },
  };
}

/** As upstream's: `pingsources.sources.knative.dev`. */
function finalizerOf({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): string {
  return `${kind.toLowerCase()}s.${apiVersion.split('/')[0] ?? ''}`;
}

/** As upstream says it while its OIDC feature is off, whatever else is missing. */
const NO_OIDC = isTrue('OIDCIdentityCreated', 'authentication-oidc feature disabled');

/** A condition that nothing was said of is Unknown while something is missing, and True while the source runs. */
function outcome(status: Outcome['status'], conditions: readonly string[], said: readonly Mark[]): Outcome {
  const markOf = (type: string): Mark =>
    type === NO_OIDC.type ? NO_OIDC : (said.find((mark) => mark.type === type) ?? isUnknown(type));
  const marks = conditions.map(markOf);
  return { status, marks, next: 'settled' };
}

function marksOf(state: SourceState, conditions: readonly string[], sink: Mark): Mark[] {
  switch (state.kind) {
    case 'starting':
      return [sink, ...(state.marks ?? [])];
    case 'running':
      return conditions.map((type) => state.marks?.find((mark) => mark.type === type) ?? isTrue(type));
    case 'failing': {
      const failed = conditions.indexOf(state.condition);
      const before = conditions.slice(0, Math.max(0, failed)).map((type) => isTrue(type));
      const failing = isFalse(state.condition, state.reason, state.message);
      return state.condition === sink.type
        ? [failing]
        : [sink, ...before.filter(({ type }) => type !== sink.type), failing];
    }
  }
}
