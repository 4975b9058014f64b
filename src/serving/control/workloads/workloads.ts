import type { Informers } from '../../../control/informer.ts';
import type { ResourceClient } from '../../../control/resource-client.ts';
import type { RunningPods } from '../../pods/running-pods.ts';
import type { Serving } from '../../serving.ts';
import type { AccountTokens } from '../account-tokens.ts';
import type { Bundle } from '../container-plan.ts';
import type { FetchImage } from '../engine-image.ts';
import type { ResolveImage } from '../pin-image.ts';
import { startCronJobs, type TicksOf } from './cron-jobs.ts';
import { startDeployments } from './deployments.ts';
import { startJobs } from './jobs.ts';
import type { Loop, LoopTools } from './loop.ts';
import { PodFeeder } from './pod-feeder.ts';
import { startReplicaSets } from './replica-sets.ts';
import { ServiceFeeder } from './service-feeder.ts';

export type WorkloadsOptions = LoopTools & {
  readonly cluster: ResourceClient;
  readonly informers: Informers;
  readonly pods: RunningPods;
  readonly serving: Serving;
  readonly resolveImage: ResolveImage;
  /** Of a container engine; undefined: there is none. */
  readonly fetchImage?: FetchImage | undefined;
  readonly bundleOf: (imageDigest: string) => Bundle | undefined;
  /** Absent: no volume holds a token. */
  readonly tokens?: AccountTokens | undefined;
  readonly ticksOf: TicksOf;
};

/** Kubernetes' own ways to run something: Deployments by ReplicaSets, Jobs and CronJobs, Pods, and Services in front of them. */
export class Workloads {
  readonly #pods: PodFeeder;
  readonly #services: ServiceFeeder;
  readonly #loops: readonly Loop[];

  constructor(options: WorkloadsOptions) {
    const { resolveImage, ticksOf } = options;
    this.#pods = new PodFeeder(options);
    this.#services = new ServiceFeeder(options);
    this.#pods.start();
    this.#services.start();
    this.#loops = [
      startReplicaSets(options, resolveImage),
      startDeployments(options),
      startJobs(options, resolveImage),
      startCronJobs(options, ticksOf),
    ];
  }

  imagePushed(): void {
    this.#pods.imagePushed();
  }

  async close(): Promise<void> {
    await Promise.all([
      this.#pods.close(),
      this.#services.close(),
      ...this.#loops.map((loop) => loop.close()),
    ]);
  }
}
