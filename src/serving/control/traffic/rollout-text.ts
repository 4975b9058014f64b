import type { ConfigurationRollout, Rollout, StepPlan } from './rollout.ts';

/** Where the state of a roll-out is kept, on the Ingress of its Route (networking pkg/apis/networking/register.go). */
export const ROLLOUT_ANNOTATION = 'networking.internal.knative.dev/rollout';

/** Upstream's form of it (traffic/rollout.go): times in nanoseconds, what is not known left out. */
type Written = {
  readonly configurations?: readonly {
    readonly configurationName: string;
    readonly tag?: string;
    readonly percent: number;
    readonly revisions?: ConfigurationRollout['revisions'];
    readonly stepParams?: WrittenSteps;
  }[];
};
type WrittenSteps = {
  readonly starttime?: number;
  readonly nextStepTime?: number;
  readonly stepDuration?: number;
  readonly stepSize?: number;
};

const NS_PER_MS = 1_000_000;

export function rolloutText(rollout: Rollout): string {
  const configurations = rollout.map(({ configurationName, tag, percent, revisions, steps }) => ({
    configurationName,
    ...(tag !== '' && { tag }),
    percent,
    revisions,
    stepParams: writtenSteps(steps),
  }));
  return JSON.stringify(configurations.length === 0 ? {} : { configurations });
}

/** Undefined of a text that is none, or whose shares do not add up: somebody has edited it, and it is started anew. */
export function parseRollout(text: string | undefined): Rollout | undefined {
  if (text === undefined) return undefined;
  try {
    const { configurations = [] } = JSON.parse(text) as Written; // checked below
    const rollout = configurations.map(readConfiguration);
    return rollout.every(isSound) ? rollout : undefined;
  } catch {
    return undefined;
  }
}

function writtenSteps({ startMs, nextStepMs, stepEveryMs, stepPercent }: StepPlan): WrittenSteps {
  return {
    ...(startMs !== undefined && { starttime: Math.round(startMs) * NS_PER_MS }),
    ...(nextStepMs !== undefined && { nextStepTime: Math.round(nextStepMs) * NS_PER_MS }),
    ...(stepEveryMs !== undefined && { stepDuration: Math.round(stepEveryMs) * NS_PER_MS }),
    ...(stepPercent !== undefined && { stepSize: stepPercent }),
  };
}

function readConfiguration({
  configurationName,
  tag = '',
  percent,
  revisions = [],
  stepParams = {},
}: NonNullable<Written['configurations']>[number]): ConfigurationRollout {
  const { starttime, nextStepTime, stepDuration, stepSize } = stepParams;
  return {
    configurationName,
    tag,
    percent,
    revisions,
    steps: {
      ...(starttime !== undefined && { startMs: Math.round(starttime / NS_PER_MS) }),
      ...(nextStepTime !== undefined && { nextStepMs: Math.round(nextStepTime / NS_PER_MS) }),
      ...(stepDuration !== undefined && { stepEveryMs: Math.round(stepDuration / NS_PER_MS) }),
      ...(stepSize !== undefined && { stepPercent: stepSize }),
    },
  };
}

function isSound({ configurationName, percent, revisions, steps }: ConfigurationRollout): boolean {
  const sum = revisions.reduce((total, share) => total + share.percent, 0);
  const { stepPercent = 0 } = steps;
  return (
    typeof configurationName === 'string' &&
    percent <= 100 &&
    sum === percent &&
    stepPercent >= 0 &&
    stepPercent <= percent
  );
}
