/** What upstream says is wrong with ConfigMap config-network (networking pkg/config/config.go); undefined: nothing. */
export function networkFault(data: Readonly<Record<string, string>>): string | undefined {
  const { 'rollout-duration': rollout } = data;
  if (rollout === undefined) return undefined;
  if (!/^[+-]?\d+$/.test(rollout))
    return `failed to parse "rollout-duration": strconv.Atoi: parsing ${JSON.stringify(rollout)}: invalid syntax`;
  return Number(rollout) < 0 ? `rollout-duration must be a positive integer, but was ${rollout}` : undefined;
}
