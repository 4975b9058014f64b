import type { ContainerSpec } from '../../container-spec.ts';
import type { InstanceSpec, Unmet } from '../../runtime.ts';
import type { Cgroups } from './cgroups.ts';
import type { Namespaces } from './namespaces.ts';

/** What of a spec cannot be done on this machine, each with what to do about it. */
export function unmetOf(
  { containers, initContainers }: InstanceSpec,
  namespaces: Namespaces,
  cgroups: Cgroups,
): readonly Unmet[] {
  const asking = [...initContainers, ...containers].filter(asksForMore);
  return asking.flatMap(({ name, mounts, user, limits, unhonoured }): Unmet[] => {
    const unmet: Unmet[] = [];
    if (mounts.length > 0 && namespaces.way.kind === 'none')
      unmet.push({
        kind: 'refused',
        what: 'volumes',
        message: `container ${name} mounts volumes, and no process can have mounts of its own here (${namespaces.way.why}); run millrace as root, or allow user namespaces (in a container: --cap-add SYS_ADMIN), or read the Secret or ConfigMap by env or envFrom`,
      });
    const whyNot = namespaces.whyNot(user);
    if (whyNot !== undefined)
      unmet.push({
        kind: 'refused',
        what: 'user',
        message: `container ${name} asks to run as user ${user.uid ?? '-'}:${user.gid ?? '-'}: ${whyNot}; run millrace as root, or leave runAsUser and runAsGroup out`,
      });
    if (user.mustNotBeRoot && (user.uid ?? process.getuid?.()) === 0)
      unmet.push({
        kind: 'refused',
        what: 'user',
        message: `container ${name} has runAsNonRoot and would run as root; name a user with runAsUser, or start millrace as another user`,
      });
    if (unhonoured.length > 0)
      unmet.push({
        kind: 'ignored',
        what: 'user',
        message: `container ${name} runs as a process of this machine, without ${unhonoured.join(', ')}`,
      });
    for (const [resource, what, asked] of [
      ['memory', 'limit', limits.memoryBytes],
      ['cpu', 'limit', limits.milliCpus],
      ['cpu', 'request', limits.milliCpus === undefined ? limits.milliCpusRequested : undefined],
    ] as const) {
      const why = asked === undefined ? undefined : cgroups.why(resource);
      if (why !== undefined)
        unmet.push({
          kind: 'ignored',
          what: 'resources',
          message: `the ${resource} ${what} of container ${name} is not enforced: ${why}; run millrace as root, or in a control group of its own (systemd-run --user --scope -p Delegate=yes millrace up)`,
        });
    }
    return unmet;
  });
}

/** Most containers ask for nothing of this; they are not to wait for the answers. */
function asksForMore({ mounts, user, limits, unhonoured }: ContainerSpec): boolean {
  const { uid, gid, mustNotBeRoot } = user;
  return (
    mounts.length + unhonoured.length > 0 ||
    mustNotBeRoot ||
    [uid, gid, ...Object.values(limits)].some((each) => each !== undefined)
  );
}
