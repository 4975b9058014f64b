import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  AUTOSCALER_DEFAULTS,
  autoscalerConfig,
  parseAutoscalerConfig,
} from '../../../src/apis/autoscaling/config.ts';
import { SHIPPED_CONFIG_MAPS } from '../../../src/platform/config-maps.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "config.webhook.serving.knative.dev" denied the request: validation failed: ';

let world: World;
beforeAll(async () => {
  world = await World.open();
});

describe('config-autoscaler', () => {
  it('is what upstream ships, where it says nothing', () => {
    expect(autoscalerConfig({})).toEqual(AUTOSCALER_DEFAULTS);
    expect(autoscalerConfig(undefined)).toEqual(AUTOSCALER_DEFAULTS);
  });

  it('says at the start what the platform would do without it', () => {
    const shipped = SHIPPED_CONFIG_MAPS.find(({ name }) => name === 'config-autoscaler');
    expect(parseAutoscalerConfig(shipped?.data ?? {})).toEqual({ config: AUTOSCALER_DEFAULTS });
  });

  it.each([
    [{ 'container-concurrency-target-percentage': '55' }, { concurrencyUtilization: 0.55 }],
    [{ 'container-concurrency-target-percentage': '0.55' }, { concurrencyUtilization: 0.55 }],
    [{ 'container-concurrency-target-percentage': '1' }, { concurrencyUtilization: 1 }],
    [
      { 'stable-window': '1m30s', 'panic-window-percentage': '12.5' },
      { windowMs: 90_000, panicWindowPercent: 12.5 },
    ],
    [{ 'enable-scale-to-zero': 'F' }, { isScaledToZero: false }],
    [
      { 'max-scale': '5', 'max-scale-limit': '10' },
      { maxScale: 5, maxScaleLimit: 10 },
    ],
    [{ 'pod-autoscaler-class': 'mine.example.com' }, { scalerClass: 'mine.example.com' }],
    [
      { 'target-burst-capacity': '-1', 'activator-capacity': '15' },
      { burstCapacity: -1, activatorCapacity: 15 },
    ],
  ])('reads %o', (data: Record<string, string>, expected) => {
    expect(autoscalerConfig(data)).toEqual({ ...AUTOSCALER_DEFAULTS, ...expected });
  });

  it.each([
    [
      { 'max-scale-up-rate': 'x' },
      'failed to parse data: failed to parse "max-scale-up-rate": strconv.ParseFloat: parsing "x": invalid syntax',
    ],
    [
      { 'initial-scale': '1.5' },
      'failed to parse data: failed to parse "initial-scale": strconv.ParseInt: parsing "1.5": invalid syntax',
    ],
    [
      { 'max-scale': '2147483648' },
      'failed to parse data: failed to parse "max-scale": strconv.ParseInt: parsing "2147483648": value out of range',
    ],
    [
      { 'enable-scale-to-zero': 'maybe' },
      'failed to parse data: strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    [
      { 'stable-window': '60' },
      'failed to parse data: failed to parse "stable-window": time: missing unit in duration "60"',
    ],
    [{ 'stable-window': '5s' }, 'stable-window = 5s, must be in [6s; 1h0m0s] range'],
    [{ 'stable-window': '6500ms' }, 'stable-window = 6.5s, must be specified with at most second precision'],
    [{ 'scale-to-zero-grace-period': '0s' }, 'scale-to-zero-grace-period must be positive, was: 0s'],
    [{ 'scale-down-delay': '-5s' }, 'scale-down-delay cannot be negative, was: -5s'],
    [
      { 'scale-down-delay': '1500ms' },
      'scale-down-delay = 1.5s, must be specified with at most second precision',
    ],
    [
      { 'scale-to-zero-pod-retention-period': '-1s' },
      'scale-to-zero-pod-retention-period cannot be negative, was: -1s',
    ],
    [
      { 'target-burst-capacity': '-11' },
      'target-burst-capacity must be either non-negative or -1 (for unlimited), was: -11.000000',
    ],
    [
      { 'container-concurrency-target-percentage': '101' },
      'container-concurrency-target-percentage = 1.010000 is outside of valid range of (0, 100]',
    ],
    [
      { 'container-concurrency-target-percentage': '0' },
      'container-concurrency-target-percentage = 0.000000 is outside of valid range of (0, 100]',
    ],
    [
      { 'requests-per-second-target-default': '0' },
      'requests-per-second-target-default must be at least 0.01, was: 0',
    ],
    [{ 'activator-capacity': '0.5' }, 'activator-capacity = 0.5, must be at least 1'],
    [{ 'max-scale-up-rate': '1' }, 'max-scale-up-rate = 1, must be greater than 1.0'],
    [{ 'max-scale-down-rate': '0.5' }, 'max-scale-down-rate = 0.5, must be greater than 1.0'],
    [{ 'panic-window-percentage': '101' }, 'panic-window-percentage = 101, must be in [1, 100] interval'],
    [
      { 'initial-scale': '-1' },
      'initial-scale = -1, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)',
    ],
    [
      { 'initial-scale': '0', 'allow-zero-initial-scale': 'false' },
      'initial-scale = 0, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)',
    ],
    [{ 'max-scale': '-1' }, 'max-scale = -1, must be in [0, max-scale-limit(0)] range'],
    [{ 'max-scale-limit': '5' }, 'max-scale = 0, must be in [1, max-scale-limit(5)] range'],
    [{ 'max-scale-limit': '-1' }, 'max-scale-limit = -1, must be at least 0'],
  ])('refuses %o, in upstream’s words', async (data: Record<string, string>, text) => {
    await expect(world.configMap('knative-serving', 'config-autoscaler', data)).rejects.toThrow(
      expect.objectContaining({ message: DENIED + text }) as Error,
    );
  });

  it('is a matter of namespace knative-serving alone', async () => {
    await world.configMap('default', 'config-autoscaler', { 'stable-window': 'soon' });
  });

  it('refuses an edit of its _example, which would do nothing', async () => {
    const example = '\n# stable-window: 60s\n';
    const map = (text: string): object => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name: 'config-autoscaler',
        namespace: 'knative-serving',
        annotations: { 'knative.dev/example-checksum': crc32(example.trim()).toString(16).padStart(8, '0') },
      },
      data: { _example: text },
    });
    await world.apply(map(example));
    expect(await world.refusal(map('stable-window: 6s'))).toBe(
      `${DENIED}the update modifies a key in "_example" which is probably not what you want. Instead, copy the respective setting to the top-level of the ConfigMap, directly below "data"`,
    );
  });
});
