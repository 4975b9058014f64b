import { request } from 'undici';
import { afterEach, beforeEach, expect } from 'vitest';
import { DEPLOYMENT } from '../../src/apis/apps/deployment.ts';
import { JOB } from '../../src/apis/batch/job.ts';
import { POD } from '../../src/apis/core/pod.ts';
import { CORE_SERVICE } from '../../src/apis/core/service.ts';
import type { KindName } from '../../src/control/resource-client.ts';
import { openServer, type OpenServer } from '../../src/http/server.ts';
import { Workloads } from '../../src/serving/control/workloads/workloads.ts';
import { RunningPods } from '../../src/serving/pods/running-pods.ts';
import type { Launch } from '../../src/serving/runtime/container-spec.ts';
import type { InstanceSpec } from '../../src/serving/runtime/runtime.ts';
import { Serving } from '../../src/serving/serving.ts';
import { TwinRuntime, type TwinInstance } from './runtime.ts';
import { conditionIn, World, type Stated } from './world.ts';

/** The twin, with what it was asked to run. */
export class RecordingRuntime extends TwinRuntime {
  readonly specs: InstanceSpec[] = [];
  release: () => void = () => undefined;

  override start(...[spec, id, tell]: Parameters<TwinRuntime['start']>): ReturnType<TwinRuntime['start']> {
    this.specs.push(spec);
    return super.start(spec, id, tell);
  }

  /** What a test that failed has held back goes on at its end. */
  override hold(): () => void {
    this.release = super.hold();
    return this.release;
  }

  /** The last instance of a Pod. */
  of(pod: string): TwinInstance | undefined {
    return this.started.findLast(({ id }) => id === pod);
  }
}

/** Everything that runs Deployments, Jobs and Services, on a real store, with instances of the twin. */
export class WorkloadWorld {
  readonly world: World;
  readonly runtime = new RecordingRuntime((incoming, response) =>
    response.end(`${incoming.headers.host} ${incoming.url}`),
  );
  /** What names of images mean. */
  readonly images = new Map([['web', 'sha256:one']]);
  /** How they all are started. */
  launch: Launch = { kind: 'program', command: ['web'] };
  readonly pods: RunningPods;
  readonly serving: Serving;
  readonly workloads: Workloads;
  readonly errors: unknown[] = [];
  #door: OpenServer | undefined;

  private constructor(world: World) {
    const { clock } = world;
    this.world = world;
    this.pods = new RunningPods({ runtime: this.runtime, clock });
    this.serving = new Serving({ runtime: this.runtime, clock });
    this.workloads = new Workloads({
      cluster: world.controller,
      informers: world.informers,
      serving: this.serving,
      pods: this.pods,
      clock,
      random: Math.random,
      resolveImage: (reference) => {
        const digest = this.images.get(reference);
        return digest === undefined ? undefined : { digest };
      },
      bundleOf: (digest) => ({
        directory: `/images/${digest}`,
        launch: this.launch,
      }),
      ticksOf: () => (afterMs) => (Math.floor(afterMs / 60_000) + 1) * 60_000,
      onError: (what, error) => this.errors.push([what, error]),
    });
  }

  static async open(): Promise<WorkloadWorld> {
    const opened = new WorkloadWorld(await World.open());
    opened.#door = await openServer({
      name: 'internal',
      host: '127.0.0.1',
      port: 0,
      ...opened.serving.gateway('internal', (_, response) => void response.writeHead(404).end('nobody')),
    });
    return opened;
  }

  async close(): Promise<void> {
    this.runtime.release();
    await this.workloads.close();
    await this.pods.close(0);
    await this.#door?.close(0);
    await this.serving.close(0);
    await this.runtime.close();
    expect(this.errors).toEqual([]);
  }

  deployment(spec: object = {}, container: object = {}): Promise<Stated> {
    const template = {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image: 'web', ...container }] },
    };
    return this.world.apply({
      ...DEPLOYMENT,
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } }, template, ...spec },
    });
  }

  service(spec: object = {}, name = 'web'): Promise<Stated> {
    return this.world.apply({
      ...CORE_SERVICE,
      metadata: { name, namespace: 'default' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
    });
  }

  job(spec: object): Promise<Stated> {
    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'web' }] } };
    return this.world.apply({
      ...JOB,
      metadata: { name: 'job', namespace: 'default' },
      spec: { template, ...spec },
    });
  }

  async all(kind: KindName): Promise<readonly Stated[]> {
    return (await this.world.controller.list<Stated>(kind, 'default')).items;
  }

  async podNames(): Promise<readonly string[]> {
    return (await this.all(POD)).map(({ metadata }) => metadata.name);
  }

  /** What the Events say: kind, type, reason, message. */
  async told(): Promise<readonly string[]> {
    return (await this.all({ apiVersion: 'v1', kind: 'Event' })).map((event) => {
      const { involvedObject, type, reason, message } = event as unknown as Record<string, unknown>;
      return `${String(Reflect.get(Object(involvedObject), 'kind'))} ${String(type)} ${String(reason)} ${String(message)}`;
    });
  }

  async statusOf(kind: KindName, name: string): Promise<Record<string, unknown>> {
    return (await this.world.get(kind, name)).status ?? {};
  }

  async ask(host: string): Promise<{ code: number; text: string }> {
    const { statusCode, body } = await request(`${this.#door?.url}/x`, { headers: { host } });
    return { code: statusCode, text: await body.text() };
  }

  /** The roll-out of what is wanted now is over; the clock goes on until it is. */
  async rolledOut(replicas: number): Promise<void> {
    await expect
      .poll(async () => {
        this.world.clock.advance(500);
        const shown = await this.world.get(DEPLOYMENT, 'web');
        const {
          updatedReplicas,
          availableReplicas,
          replicas: there,
          observedGeneration,
        } = shown.status ?? {};
        const isSeen = observedGeneration === shown.metadata.generation;
        const { reason } = conditionIn(shown, 'Progressing') ?? {};
        return { updatedReplicas, availableReplicas, there, isSeen, reason };
      })
      .toEqual({
        updatedReplicas: replicas,
        availableReplicas: replicas,
        there: replicas,
        isSeen: true,
        reason: 'NewReplicaSetAvailable',
      });
  }
}

/** A world for each test of a file. */
export function workloadWorlds(): () => WorkloadWorld {
  let now: WorkloadWorld;
  beforeEach(async () => {
    now = await WorkloadWorld.open();
  });
  afterEach(() => now.close());
  return () => now;
}
