import { describe, expect, it } from 'vitest';
import { domainConfig } from '../../../../src/apis/networking/domain-config.ts';
import { networkConfig } from '../../../../src/apis/networking/network-config.ts';
import { hostFault, hostsOf } from '../../../../src/serving/control/traffic/hosts.ts';
import { hostPart } from '../../../../src/serving/control/network-settings.ts';
import {
  inOrder,
  nextStepMs,
  observeReady,
  step,
  type Rollout,
} from '../../../../src/serving/control/traffic/rollout.ts';
import { upstreamAnswers } from '../../../kit/upstream.ts';

const MS = 1_000_000; // in nanoseconds

type Written = {
  readonly configurations?: readonly {
    readonly configurationName: string;
    readonly tag?: string;
    readonly percent: number;
    readonly revisions?: Rollout[number]['revisions'];
    readonly stepParams?: {
      readonly starttime?: number;
      readonly nextStepTime?: number;
      readonly stepDuration?: number;
      readonly stepSize?: number;
    };
  }[];
};
type RollOut = {
  readonly events: readonly {
    readonly at: number;
    readonly goal: Written;
    readonly readyForSeconds?: number;
  }[];
  /** As many as there are events, or fewer: there upstream's own code ends. */
  readonly answer: readonly { readonly rollout: Written; readonly next?: number }[];
};
type HostQuestion = {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly tag: string;
  readonly domain: Readonly<Record<string, string>>;
  readonly network: Readonly<Record<string, string>>;
  readonly answer: { readonly host?: string; readonly fault?: string };
};

const goalOf = ({ configurations = [] }: Written): Rollout =>
  inOrder(
    configurations.map(({ configurationName, percent, tag = '', revisions = [] }) => ({
      configurationName,
      percent,
      tag,
      revisions,
      steps: {},
    })),
  );

/** Times to the millisecond, as they are kept. */
function told(rollout: Rollout): unknown {
  return rollout.map(({ configurationName, tag, percent, revisions, steps }) => {
    const { startMs = 0, nextStepMs: nextMs = 0, stepEveryMs = 0, stepPercent = 0 } = steps;
    const times = [startMs, nextMs, stepEveryMs].map((each) => Math.round(each));
    return { configurationName, tag, percent, revisions, times, stepPercent };
  });
}

function toldBy({ configurations = [] }: Written): unknown {
  return configurations.map(({ configurationName, tag = '', percent, revisions = [], stepParams = {} }) => {
    const { starttime = 0, nextStepTime = 0, stepDuration = 0, stepSize = 0 } = stepParams;
    const times = [starttime, nextStepTime, stepDuration].map((each) => Math.round(each / MS));
    return { configurationName, tag, percent, revisions, times, stepPercent: stepSize };
  });
}

describe('a Route', () => {
  it('is rolled out step by step as upstream does it', () => {
    for (const { events, answer } of upstreamAnswers<RollOut>('roll-outs')) {
      let current: Rollout | undefined;
      for (const [i, { at, goal, readyForSeconds }] of events.slice(0, answer.length).entries()) {
        current = step(goalOf(goal), current, at / MS);
        const next = nextStepMs(current);
        if (readyForSeconds !== undefined) current = observeReady(current, at / MS, readyForSeconds * 1000);
        expect(told(current), JSON.stringify(events.slice(0, i + 1))).toEqual(
          toldBy(answer[i]?.rollout ?? {}),
        );
        expect(Math.round(next ?? 0)).toBe(Math.round((answer[i]?.next ?? 0) / MS));
      }
    }
  });

  it('has the host that upstream gives it, or none where it gives none', () => {
    const door = {
      publicUrl: undefined,
      domain: 'svc.cluster.local',
      httpPort: 80,
      httpsPort: undefined,
      hasTrustedProxies: false,
    };
    for (const { metadata, tag, domain, network, answer } of upstreamAnswers<HostQuestion>('hosts')) {
      const settings = { network: networkConfig(network), domains: domainConfig(domain) };
      const { name, namespace, labels = {}, annotations = {} } = metadata;
      const part = hostPart(name, tag, settings);
      const visibility = 'ExternalIP';
      const hosts = hostsOf({ part, namespace, labels, annotations, visibility }, settings, door);
      const [host = hosts.local.at(-1)] = hosts.public; // seen inside alone
      const fault = hostFault({ ...hosts, local: [host ?? ''] });
      const about = JSON.stringify({ metadata, tag, domain, network });
      expect(fault === undefined ? host : 'none', about).toBe(answer.host ?? 'none');
    }
  });
});
