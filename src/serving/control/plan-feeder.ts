import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { keyOf, type Resource } from '../../apis/resource.ts';
import { INGRESS, type Ingress } from '../../apis/networking/ingress/types.ts';
import { KINDS, type Container, type Revision } from '../../apis/serving/types.ts';
import type { Informers } from '../../control/informer.ts';
import type { ResourceReader } from '../../control/resource-client.ts';
import { WorkQueue } from '../../control/work-queue.ts';
import type { RevisionPlan, RoutePlan } from '../plan.ts';
import type { Serving } from '../serving.ts';
import { againAfter, type AccountTokens } from './account-tokens.ts';
import type { Bundle } from './container-plan.ts';
import { planRevision } from './plans.ts';
import { pinnedImages } from './pin-image.ts';
import { preparePod } from './prepare-pod.ts';
import { planRoutes } from './route-plans.ts';

export type PlanFeederOptions = {
  readonly reader: ResourceReader;
  readonly informers: Informers;
  readonly serving: Serving;
  readonly clock: Clock;
  readonly random: () => number;
  readonly domain: string;
  /** The bundle of a pinned image; undefined when it is not in the local store any more. */
  readonly bundleOf: (imageDigest: string) => Bundle | undefined;
  /** Absent: no volume holds a token. */
  readonly tokens?: AccountTokens | undefined;
  /** The gateway routes by an Ingress as it is now, which it did not when that was changed. */
  readonly onRouted?: (key: string) => void;
  /** What `problemOf` tells of a revision is other than before. */
  readonly onProblem?: (key: string) => void;
  /** The data plane has a revision's plan, for the first time or another than before. */
  readonly onPlanned?: (key: string) => void;
};

const CONFIG_MAP = { apiVersion: 'v1', kind: 'ConfigMap' };
const SECRET = { apiVersion: 'v1', kind: 'Secret' };
const SERVICE_ACCOUNT = { apiVersion: 'v1', kind: 'ServiceAccount' };

/** Watches Revisions and Ingresses, and hands the data plane the plans that follow from them. */
export class PlanFeeder {
  readonly #options: PlanFeederOptions;
  readonly #queue: WorkQueue;
  readonly #routes = new Map<string, Routed>(); // by Ingress
  /** Ingresses whose change waits for the plan of a revision: what there was before goes on until then. */
  readonly #held = new Set<string>();
  readonly #problems = new Map<string, string>();
  /** Of the revisions that have a plan, by key: one that was made again under its name is another. */
  readonly #uids = new Map<string, string | undefined>();

  constructor(options: PlanFeederOptions) {
    this.#options = options;
    const { clock, random } = options;
    this.#queue = new WorkQueue({ clock, random, concurrency: 4, work: (key) => this.#feed(key) });
  }

  start(): void {
    const { informers, serving } = this.#options;
    serving.whenHostsMove(({ key }) => this.#options.onRouted?.(key.slice(0, key.lastIndexOf('#'))));
    this.#followAccounts();
    const revisions = informers.of(KINDS.revision);
    revisions.onChange((object) => this.#queue.add(`revision ${keyOf(object)}`));
    // At once, and not in turn: whoever looks at an Ingress after its change finds the gateway routing by it.
    informers.of(INGRESS).onChange((object) => this.#feedIngress(keyOf(object)));
    // What a Route leads to goes with its Service at the same time: nothing is to be sent there any more.
    informers.of(KINDS.route).onChange((object) => {
      const key = keyOf(object);
      // And one that was made again under the name of one that went may be seen after its Ingress.
      if (object.metadata.deletionTimestamp === undefined && this.#routes.has(key)) return;
      this.#feedIngress(key);
      this.#options.onRouted?.(key);
    });
    for (const kind of [CONFIG_MAP, SECRET]) {
      informers.of(kind).onChange(({ metadata }) => {
        const isForAll = metadata.namespace === 'knative-serving' && FOR_ALL.includes(metadata.name);
        const concerned = revisions
          .all()
          .filter(
            (revision) =>
              isForAll ||
              (revision.metadata.namespace === metadata.namespace && names(revision, metadata.name)),
          );
        for (const revision of concerned) this.#queue.add(`revision ${keyOf(revision)}`);
      });
    }
  }

  /** What revisions may lack that had it before, and whose volumes no object names. */
  #followAccounts(): void {
    this.#options.informers.of(SERVICE_ACCOUNT).onChange(() => this.imagePushed());
  }

  /** An image has come, which a revision may lack that had it before. */
  imagePushed(): void {
    for (const key of this.#problems.keys()) this.#queue.add(`revision ${key}`);
  }

  /** Why a revision has no plan although its image is there. */
  problemOf(key: string): string | undefined {
    return this.#problems.get(key);
  }

  /** The generation of an Ingress that the gateway routes by. */
  routedGeneration(key: string): number | undefined {
    return this.#routes.get(key)?.generation;
  }

  /** A host of an Ingress that the gateway leads by another. */
  takenHostOf(key: string): { readonly host: string; readonly by: string } | undefined {
    const plans = this.#routes.get(key)?.keys ?? [];
    const taken = plans.map((plan) => this.#options.serving.takenHostOf(plan));
    return taken.find((each) => each !== undefined);
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  async #feed(item: string): Promise<{ readonly againAfterMs: number } | undefined> {
    const [, key = ''] = item.split(' ');
    try {
      return againAfter(await this.#feedRevision(key), this.#options.clock.nowMs());
    } catch (error) {
      this.#lacks(key, `it cannot be prepared: ${messageOf(error)}; it is tried again`);
      throw error;
    }
  }

  /** Resolves with when it is to be fed again, although nothing has changed. */
  async #feedRevision(key: string): Promise<number | undefined> {
    const { informers, reader, bundleOf, tokens } = this.#options;
    const revision = informers.of(KINDS.revision).get(key) as Revision | undefined;
    if (revision === undefined || isLeaving(revision)) {
      this.#forget(key);
      return undefined;
    }
    const images = pinnedImages(revision);
    if (images === undefined) return undefined; // its reconciler has not pinned them yet
    const imageOf = ({ name = '' }: Container): string => images.get(name) ?? '';
    const pod = await preparePod(revision, { reader, bundleOf, imageOf, tokens });
    if (pod.kind === 'problem') {
      this.#lacks(key, pod.message);
      return undefined;
    }
    if (this.#problems.delete(key)) this.#options.onProblem?.(key);
    const [autoscaler = {}, features = {}, deployment = {}] = FOR_ALL.map((name) =>
      dataOf(informers.of(CONFIG_MAP).get(`knative-serving/${name}`)),
    );
    this.#give(revision, planRevision(revision, pod, { autoscaler, features, deployment }));
    this.#feedHeld();
    return pod.renewAtMs;
  }

  #give({ metadata: { uid } }: Revision, plan: RevisionPlan): void {
    const { serving, onPlanned } = this.#options;
    const { key } = plan;
    if (this.#uids.has(key) && this.#uids.get(key) !== uid) this.#forget(key); // what runs is not what is asked for now
    const isNew = !isDeepStrictEqual(serving.poolOf(key)?.plan, plan);
    serving.setRevision(plan);
    this.#uids.set(key, uid);
    if (isNew) onPlanned?.(key);
  }

  #forget(key: string): void {
    this.#problems.delete(key);
    this.#uids.delete(key);
    void this.#options.serving.removeRevision(key); // its last requests hold up no other plan
  }

  #lacks(key: string, problem: string): void {
    const isNew = this.#problems.get(key) !== problem;
    this.#problems.set(key, problem);
    if (isNew) this.#options.onProblem?.(key);
  }

  #feedHeld(): void {
    for (const key of this.#held) {
      this.#feedIngress(key);
      if (!this.#held.has(key)) this.#options.onRouted?.(key);
    }
  }

  /** Whether all that a route leads to can take requests, or be woken for them. */
  #isKnown(plan: RoutePlan): boolean {
    const ways = [plan, ...(plan.byPath ?? [])].flatMap((way) => [way, ...(way.byHeader ?? [])]);
    const all = ways.flatMap(({ targets }) => targets);
    return all.every(({ revision }) => this.#options.serving.poolOf(revision) !== undefined);
  }

  #feedIngress(key: string): void {
    const { informers, serving, domain } = this.#options;
    const ingress = informers.of(INGRESS).get(key) as Ingress | undefined;
    const route = informers.of(KINDS.route).get(key);
    const isGone = ingress === undefined || [ingress, route].some(isLeaving);
    const plans = isGone ? [] : planRoutes(ingress, domain);
    const keys = plans.map((plan) => plan.key);
    const before = this.#routes.get(key)?.keys ?? [];
    if (before.length > 0 && !plans.every((plan) => this.#isKnown(plan))) return void this.#held.add(key);
    this.#held.delete(key);
    for (const plan of plans) serving.setRoute(plan);
    for (const old of before) if (!keys.includes(old)) serving.removeRoute(old);
    if (isGone) this.#routes.delete(key);
    else this.#routes.set(key, { keys, generation: ingress.metadata.generation ?? 1 });
  }
}

/** The ConfigMaps that the plan of every revision is made from. */
const FOR_ALL = ['config-autoscaler', 'config-features', 'config-deployment'];

function isLeaving(object: Resource | undefined): boolean {
  return object?.metadata.deletionTimestamp !== undefined;
}

/** The plans that were made of an Ingress, by key, and of which of its generations. */
type Routed = { readonly keys: readonly string[]; readonly generation: number };

/** Whether a revision's variables or volumes come from an object of that name. */
function names(revision: Resource, name: string): boolean {
  const spec = JSON.stringify(Reflect.get(revision, 'spec'));
  return ['name', 'secretName'].some((field) => spec.includes(`"${field}":${JSON.stringify(name)}`));
}

function dataOf(configMap: Resource | undefined): Readonly<Record<string, string>> {
  return configMap === undefined ? {} : ((Reflect.get(configMap, 'data') ?? {}) as Record<string, string>); // by its schema
}
