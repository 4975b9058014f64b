import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../../src/apis/core/pod.ts';
import { PodImages } from '../../../../src/serving/control/workloads/pod-images.ts';
import type { Fetched } from '../../../../src/serving/runtime/container/engine-images.ts';
import { FakeClock } from '../../../kit/fake-clock.ts';

const pod = (...containers: object[]): Pod =>
  ({ apiVersion: 'v1', kind: 'Pod', metadata: { namespace: 'a', name: 'p' }, spec: { containers } }) as Pod;
const one = (more: object = {}): Pod => pod({ name: 'c', image: 'app:1', ...more });
const nothing = (): undefined => undefined;

describe('the images of a Pod', () => {
  it('that the store has are pinned, and no engine is asked', async () => {
    const images = new PodImages({
      resolveImage: () => ({ digest: 'sha256:1' }),
      fetchImage: () => Promise.reject(new Error('asked')),
      clock: new FakeClock(),
    });
    expect(await images.of(one())).toEqual({
      images: new Map([['c', 'app:1@sha256:1']]),
      missing: undefined,
      againAfterMs: undefined,
    });
  });

  it('that nobody has are an ErrImagePull, and a moment later an ImagePullBackOff with the same cause', async () => {
    const clock = new FakeClock();
    const images = new PodImages({ resolveImage: nothing, clock });
    const first = await images.of(one());
    expect(first.missing?.problem?.reason).toBe('ErrImagePull');
    const why = first.missing?.problem?.message ?? '';
    expect(why).toContain('millrace push app:1');
    clock.advance(first.againAfterMs ?? 0);
    expect((await images.of(one())).missing?.problem).toEqual({
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "app:1": ErrImagePull: ${why}`,
    });
    images.forget('a/p');
    expect((await images.of(one())).missing?.problem?.reason).toBe('ErrImagePull');
  });

  it('that are being pulled are no problem, and are soon asked for again', async () => {
    const fetched: Fetched[] = [{ kind: 'pending' }, { kind: 'fetched', pinned: 'app@sha256:2' }];
    const images = new PodImages({
      resolveImage: nothing,
      fetchImage: async () => fetched.shift() ?? { kind: 'pending' },
      clock: new FakeClock(),
    });
    expect(await images.of(one())).toMatchObject({ missing: { problem: undefined }, againAfterMs: 500 });
    expect((await images.of(one())).images).toEqual(new Map([['c', 'app@sha256:2']]));
  });

  it('that are not to be pulled are an ErrImageNeverPull', async () => {
    const images = new PodImages({
      resolveImage: nothing,
      fetchImage: async () => ({ kind: 'failed', why: 'no such image', isAbsent: true, failedMs: 0 }),
      clock: new FakeClock(),
    });
    expect((await images.of(one({ imagePullPolicy: 'Never' }))).missing?.problem).toEqual({
      reason: 'ErrImageNeverPull',
      message: 'Container image "app:1" is not present with pull policy of Never',
    });
  });
});
