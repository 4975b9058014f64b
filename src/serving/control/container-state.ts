import { rfc3339 } from '../../apis/conditions.ts';
import type { ContainerState, Terminated } from '../runtime/instance-status.ts';

type Fields = Record<string, unknown>;

/** core/v1's ContainerState. */
export function stateOf(state: ContainerState): Fields {
  switch (state.kind) {
    case 'waiting':
      return {
        waiting: { reason: state.reason, ...(state.message !== undefined && { message: state.message }) },
      };
    case 'running':
      return { running: { startedAt: rfc3339(state.startedMs) } };
    case 'terminated':
      return { terminated: terminatedOf(state) };
    default:
      return state satisfies never;
  }
}

/** core/v1's ContainerStateTerminated. */
export function terminatedOf({ exitCode, reason, message, startedMs, finishedMs }: Terminated): Fields {
  return { exitCode, reason, message, startedAt: rfc3339(startedMs), finishedAt: rfc3339(finishedMs) };
}
