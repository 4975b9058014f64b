import type { Clock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import type { Pod } from '../../../apis/core/pod.ts';
import { keyOf } from '../../../apis/resource.ts';
import type { Container } from '../../../apis/serving/types.ts';
import type { FetchImage } from '../engine-image.ts';
import { pinImage, type ResolveImage } from '../pin-image.ts';
import { imagesIn } from './pinned-images.ts';
import type { PodProblem } from './pod-status.ts';

export type PodImagesOptions = {
  readonly resolveImage: ResolveImage;
  /** Of a container engine; undefined: there is none. */
  readonly fetchImage?: FetchImage | undefined;
  readonly clock: Clock;
};

/** What the images of a Pod's containers are, as far as they are known. */
export type FoundImages = {
  readonly images: ReadonlyMap<string, string>; // pinned, by container
  /** One is not there; without a problem it is on its way. */
  readonly missing: { readonly problem: PodProblem | undefined } | undefined;
  readonly againAfterMs: number | undefined;
};

type Found =
  | { readonly kind: 'pinned'; readonly image: string }
  | { readonly kind: 'pending' }
  | { readonly kind: 'missing'; readonly problem: PodProblem };

const PENDING_MS = 500;
/** What has just failed is told as that; later, that it is not tried at the moment. */
const JUST_MS = 3000;
const LOOK_AGAIN_MS = 10_000;

/** Finds the images of Pods: in the local store, else with the engine; why one is not there is told in kubelet's words. */
export class PodImages {
  readonly #options: PodImagesOptions;
  /** Since when a Pod has been waiting for an image of the store. */
  readonly #missingSince = new Map<string, number>();

  constructor(options: PodImagesOptions) {
    this.#options = options;
  }

  async of(pod: Pod): Promise<FoundImages> {
    const { containers = [], initContainers = [] } = pod.spec ?? {};
    const images = new Map<string, string>();
    let missing: FoundImages['missing'];
    for (const container of [...initContainers, ...containers]) {
      const found = await this.#find(pod, container);
      if (found.kind === 'pinned') images.set(container.name ?? '', found.image);
      else missing ??= { problem: found.kind === 'pending' ? undefined : found.problem };
    }
    if (missing === undefined) this.forget(keyOf(pod));
    return { images, missing, againAfterMs: missing && againAfterMs(missing.problem) };
  }

  forget(key: string): void {
    this.#missingSince.delete(key);
  }

  /** By what it was made with, by what it ran before, by what its name means now. */
  async #find(pod: Pod, container: Container): Promise<Found> {
    const { name, image = '' } = container;
    const { fetchImage, resolveImage } = this.#options;
    const ran = pod.status?.containerStatuses?.find((each) => each.name === name)?.imageID;
    const found = imagesIn(pod).get(image) ?? (ran || undefined) ?? pinImage(resolveImage, image);
    if (typeof found === 'string') return { kind: 'pinned', image: found };
    if (fetchImage === undefined) return this.#missing(image, found.message, this.#since(pod));
    return this.#fetch(pod, container, fetchImage);
  }

  async #fetch(pod: Pod, container: Container, fetch: FetchImage): Promise<Found> {
    const { image = '' } = container;
    try {
      const fetched = await fetch({ metadata: pod.metadata, spec: pod.spec ?? {} }, container);
      if (fetched.kind === 'pending') return { kind: 'pending' };
      if (fetched.kind === 'fetched') return { kind: 'pinned', image: fetched.pinned };
      if (fetched.isAbsent && container.imagePullPolicy === 'Never')
        return { kind: 'missing', problem: neverPulled(image) };
      return this.#missing(image, fetched.why, fetched.failedMs);
    } catch (error) {
      return this.#missing(image, messageOf(error), this.#since(pod));
    }
  }

  /** kubernetes pkg/kubelet/images/image_manager.go has reasons and texts. */
  #missing(image: string, why: string, sinceMs: number): Found {
    const isNew = this.#options.clock.nowMs() - sinceMs < JUST_MS;
    const message = `Back-off pulling image "${image}": ErrImagePull: ${why}`;
    const problem = isNew
      ? { reason: 'ErrImagePull', message: why }
      : { reason: 'ImagePullBackOff', message };
    return { kind: 'missing', problem };
  }

  #since(pod: Pod): number {
    const key = keyOf(pod);
    const sinceMs = this.#missingSince.get(key) ?? this.#options.clock.nowMs();
    this.#missingSince.set(key, sinceMs);
    return sinceMs;
  }
}

function neverPulled(image: string): PodProblem {
  const message = `Container image "${image}" is not present with pull policy of Never`;
  return { reason: 'ErrImageNeverPull', message };
}

function againAfterMs(problem: PodProblem | undefined): number {
  if (problem === undefined) return PENDING_MS;
  return problem.reason === 'ErrImagePull' ? JUST_MS : LOOK_AGAIN_MS;
}
