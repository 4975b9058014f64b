type Condition = { readonly type: string; readonly status: string; readonly lastTransitionTime?: string };
type Explained = Condition & { readonly reason?: string; readonly message?: string };
type Statuses = readonly object[] | undefined;

/** Which containers a Pod waits for, in kubelet's words (kubernetes pkg/kubelet/status/generate.go). */
export function explained<C extends Condition>(
  conditions: readonly C[],
  status: { readonly phase?: string; readonly containers: Statuses; readonly initContainers: Statuses },
): readonly (C & Explained)[] {
  return conditions.map((condition) =>
    condition.status === 'True' ? condition : { ...condition, ...why(condition.type, status) },
  );
}

function why(
  type: string,
  { phase, containers, initContainers }: Parameters<typeof explained>[1],
): { readonly reason?: string; readonly message?: string } {
  if (type === 'Initialized') {
    const waited = names(initContainers, (each) => Reflect.get(each, 'ready') !== true);
    return {
      reason: 'ContainersNotInitialized',
      message: `containers with incomplete status: [${waited.join(' ')}]`,
    };
  }
  if (type !== 'Ready' && type !== 'ContainersReady') return {};
  if (phase === 'Succeeded') return { reason: 'PodCompleted' };
  if (phase === 'Failed') return { reason: 'PodFailed' };
  const unready = names(containers, (each) => Reflect.get(each, 'ready') !== true);
  return { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
}

function names(statuses: Statuses = [], is: (status: object) => boolean): readonly string[] {
  return statuses.filter(is).map((each) => String(Reflect.get(each, 'name')));
}
