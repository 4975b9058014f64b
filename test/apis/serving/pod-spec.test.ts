import { beforeAll, describe, expect, it } from 'vitest';
import type { Container, Probe, Volume } from '../../../src/apis/serving/types.ts';
import { aService } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: ';
const SPEC = 'spec.template.spec';
const C = `${SPEC}.containers[0]`;

let world: World;
beforeAll(async () => {
  world = await World.open();
});

type Spec = Record<string, unknown>;
const refused = async (spec: Spec): Promise<string> =>
  (await world.refusal(aService({ spec }))).replace(DENIED, '');
const one = (container: Container | object): Spec => ({ containers: [{ image: 'a', ...container }] });
const mounted = (volume: object, mount: object = {}): Spec => ({
  ...one({ volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] }),
  volumes: [{ name: 'v', ...volume }],
});
const stored = async (
  spec: Spec,
  name = 'kept',
): Promise<{ containers: Container[]; initContainers?: Container[] }> => {
  const { spec: applied } = (await world.apply(aService({ name, spec }))) as unknown as {
    spec: { template: { spec: { containers: Container[] } } };
  };
  return applied.template.spec;
};
const features = (flags: Record<string, string>) =>
  world.configMap('knative-serving', 'config-features', flags);

describe('probes are refused in upstream’s words', () => {
  it.each<[Probe, string]>([
    [
      { periodSeconds: 0, failureThreshold: 2, tcpSocket: {} },
      `failureThreshold is disallowed when periodSeconds is zero: ${C}.readinessProbe.failureThreshold`,
    ],
    [
      { timeoutSeconds: 2, tcpSocket: {} },
      `timeoutSeconds is disallowed when periodSeconds is zero: ${C}.readinessProbe.timeoutSeconds`,
    ],
    [
      { periodSeconds: -1, tcpSocket: {} },
      `expected 0 <= -1 <= 2147483647: ${C}.readinessProbe.periodSeconds`,
    ],
    [
      { initialDelaySeconds: -1, tcpSocket: {} },
      `expected 0 <= -1 <= 2147483647: ${C}.readinessProbe.initialDelaySeconds`,
    ],
    [
      { periodSeconds: 1, timeoutSeconds: -1, tcpSocket: {} },
      `expected 1 <= -1 <= 2147483647: ${C}.readinessProbe.timeoutSeconds`,
    ],
    [
      { successThreshold: -1, tcpSocket: {} },
      `expected 1 <= -1 <= 2147483647: ${C}.readinessProbe.successThreshold`,
    ],
    [
      { tcpSocket: { port: 'web' } },
      `invalid value: web: ${C}.readinessProbe.tcpSocket.port\nProbe port must match container port`,
    ],
    [
      { tcpSocket: {}, exec: { command: ['a'] } },
      `expected exactly one, got both: ${C}.readinessProbe.exec, ${C}.readinessProbe.tcpSocket`,
    ],
  ])('%j', async (readinessProbe, text) => {
    expect(await refused(one({ readinessProbe }))).toBe(text);
  });

  it('a liveness probe that does nothing', async () => {
    expect(await refused(one({ livenessProbe: { periodSeconds: 1 } }))).toBe(
      `expected exactly one, got neither: ${['exec', 'grpc', 'httpGet', 'tcpSocket'].map((each) => `${C}.livenessProbe.${each}`).join(', ')}`,
    );
  });

  it('those of a sidecar, unless a flag allows them; then they name their port', async () => {
    await features({});
    const two = (probe: object): Spec => ({
      containers: [
        { image: 'a', ports: [{ containerPort: 1 }] },
        { image: 'b', livenessProbe: probe },
      ],
    });
    expect(await refused(two({ httpGet: { path: '/' }, periodSeconds: 3 }))).toBe(
      `must not set the field(s): ${SPEC}.containers[1].livenessProbe, ${SPEC}.containers[1].livenessProbe.periodSeconds`,
    );
    await features({ 'multi-container-probing': 'Enabled' });
    expect(await refused(two({ httpGet: { path: '/' } }))).toBe(
      `invalid value: 0: ${SPEC}.containers[1].livenessProbe.httpGet.port\nProbe port must be specified`,
    );
    await stored(two({ httpGet: { path: '/', port: 81 } }), 'probed-sidecar');
    await features({});
  });
});

describe('several containers', () => {
  it('have names of their own, and Knative’s probe where requests go', async () => {
    const { containers } = await stored({
      containers: [
        { image: 'a', ports: [{ containerPort: 80 }] },
        { image: 'b' },
        { image: 'c', name: 'mine' },
      ],
    });
    expect(containers.map(({ name }) => name)).toEqual(['user-container-0', 'user-container-1', 'mine']);
    expect(containers.map(({ readinessProbe }) => readinessProbe?.tcpSocket)).toEqual([
      { port: 0 },
      undefined,
      undefined,
    ]);
  });

  it.each<[string, Spec, string]>([
    [
      'without a port',
      { containers: [{ image: 'a' }, { image: 'b' }] },
      `missing field(s): ${SPEC}.containers[*].ports`,
    ],
    [
      'with two ports',
      {
        containers: [
          { image: 'a', ports: [{ containerPort: 1 }] },
          { image: 'b', ports: [{ containerPort: 2 }] },
        ],
      },
      `more than one container port is set: ${SPEC}.containers[*].ports\nOnly a single port is allowed across all containers`,
    ],
    [
      'of one name',
      {
        containers: [
          { image: 'a', name: 'x', ports: [{ containerPort: 1 }] },
          { image: 'b', name: 'x' },
        ],
      },
      `duplicate container name "x": ${SPEC}.containers[1].name`,
    ],
    [
      'init containers, by default',
      { ...one({}), initContainers: [{ image: 'b' }] },
      `must not set the field(s): ${SPEC}.initContainers\npod spec support for init-containers is off, but found 1 init containers: `,
    ],
  ])('are refused %s', async (_, spec, text) => {
    expect(await refused(spec)).toBe(text);
  });

  it('are refused when the flag is off, and init containers taken when theirs is on', async () => {
    const two = { containers: [{ image: 'a', ports: [{ containerPort: 1 }] }, { image: 'b' }] };
    await features({ 'multi-container': 'disabled', 'kubernetes.podspec-init-containers': 'enabled' });
    expect(await refused(two)).toBe('multi-container is off, but found 2 containers: ');
    const { initContainers } = await stored(
      { ...one({}), initContainers: [{ image: 'b' }, { image: 'c' }] },
      'init',
    );
    expect(initContainers?.map(({ name }) => name)).toEqual(['init-container-0', 'init-container-1']);
    expect(await refused({ ...one({}), initContainers: [{ image: 'b', livenessProbe: {} }] })).toBe(
      `field not allowed in an init container: ${SPEC}.containers[0].livenessProbe`,
    );
    await features({});
  });

  it('may tell a sidecar its PORT, and nobody the other variables', async () => {
    const env = (name: string): Spec => ({
      containers: [
        { image: 'a', ports: [{ containerPort: 1 }] },
        { image: 'b', env: [{ name, value: '1' }] },
      ],
    });
    await stored(env('PORT'), 'sidecar-port');
    expect(await refused(env('K_REVISION'))).toBe(
      `"K_REVISION" is a reserved environment variable: ${SPEC}.containers[1].env[0].name`,
    );
  });
});

describe('volumes are refused in upstream’s words', () => {
  it.each<[string, Spec, string]>([
    [
      'no source',
      mounted({}),
      `expected exactly one, got neither: ${['configMap', 'emptyDir', 'projected', 'secret'].map((each) => `${SPEC}.volumes[0].${each}`).join(', ')}`,
    ],
    [
      'two sources',
      mounted({ secret: {}, emptyDir: {} }, { readOnly: true }),
      `expected exactly one, got both: ${SPEC}.volumes[0].emptyDir, ${SPEC}.volumes[0].secret`,
    ],
    [
      'not mounted',
      { ...one({}), volumes: [{ name: 'v', secret: { secretName: 's' } }] },
      `volume with name "v" not mounted: ${SPEC}.volumes[0].name`,
    ],
    [
      'no volume',
      one({ volumeMounts: [{ name: 'x', mountPath: '/x' }] }),
      `volumeMount has no matching volume: ${C}.volumeMounts[0].name`,
    ],
    [
      'no path',
      mounted({ secret: { secretName: 's' } }, { mountPath: '' }),
      `missing field(s): ${C}.volumeMounts[0].mountPath`,
    ],
    [
      'the root',
      mounted({ secret: { secretName: 's' } }, { mountPath: '/' }),
      `mountPath "/" is a reserved path: ${C}.volumeMounts[0].mountPath`,
    ],
    [
      '/dev',
      mounted({ secret: { secretName: 's' } }, { mountPath: '/dev/' }),
      `mountPath "/dev" is a reserved path: ${C}.volumeMounts[0].mountPath`,
    ],
    [
      'a relative path',
      mounted({ secret: { secretName: 's' } }, { mountPath: 'x' }),
      `invalid value: x: ${C}.volumeMounts[0].mountPath`,
    ],
    [
      'propagation',
      mounted({ secret: { secretName: 's' } }, { mountPropagation: 'None' }),
      `Volume Mount Propagation support is disabled, but found volume mount v with mount propagation: \nmust not set the field(s): ${C}.volumeMounts[0].mountPropagation`,
    ],
    [
      'hostPath',
      mounted({ hostPath: { path: '/' } }),
      `HostPath volume support is disabled, but found HostPath volume v: \nmust not set the field(s): ${SPEC}.volumes[0].hostPath`,
    ],
    [
      'a claim',
      mounted({ persistentVolumeClaim: { claimName: 'c' } }),
      `Persistent volume claim support is disabled, but found persistent volume claim c: \nPersistent volume write support is disabled, but found persistent volume claim c that is not read-only: \nmust not set the field(s): ${SPEC}.volumes[0].persistentVolumeClaim`,
    ],
    [
      'a medium',
      mounted({ emptyDir: { medium: 'HugePages' } }),
      `invalid value: HugePages: ${SPEC}.volumes[0].emptyDir.medium`,
    ],
    [
      'an item without a key',
      mounted({ secret: { secretName: 's', items: [{ path: 'p' }] } }),
      `missing field(s): ${SPEC}.volumes[0].items[0].key`,
    ],
    [
      'a projection of nothing',
      mounted({ projected: { sources: [{}] } }),
      `expected exactly one, got neither: ${['configMap', 'downwardAPI', 'secret', 'serviceAccountToken'].map((each) => `${SPEC}.volumes[0].projected[0].${each}`).join(', ')}`,
    ],
    [
      'a projection without a name',
      mounted({ projected: { sources: [{ secret: {} }] } }),
      `missing field(s): ${SPEC}.volumes[0].projected[0].secret.name`,
    ],
  ])('%s', async (_, spec, text) => {
    expect(await refused(spec)).toBe(text);
  });

  it('a second mount at one path, a second volume of one name', async () => {
    const volumes: Volume[] = [{ name: 'v', emptyDir: {} }];
    const mounts = [
      { name: 'v', mountPath: '/x' },
      { name: 'v', mountPath: '/x/' },
    ];
    expect(await refused({ ...one({ volumeMounts: mounts }), volumes })).toBe(
      `invalid value: "/x/" must be unique: ${C}.volumeMounts[1].mountPath`,
    );
    expect(
      await refused({ ...one({ volumeMounts: mounts.slice(0, 1) }), volumes: [...volumes, ...volumes] }),
    ).toBe(`duplicate volume name "v": ${SPEC}.volumes[1].name`);
  });

  it('none that is well: mounts become read only but of what is empty', async () => {
    const volumes = [
      { name: 's', secret: { secretName: 's' } },
      { name: 'e', emptyDir: {} },
    ];
    const volumeMounts = [
      { name: 's', mountPath: '/s' },
      { name: 'e', mountPath: '/e' },
    ];
    const { containers } = await stored({ ...one({ volumeMounts }), volumes }, 'volumes');
    expect(containers[0]?.volumeMounts?.map(({ readOnly }) => readOnly)).toEqual([true, undefined]);
  });

  it('emptyDir, when its flag is off', async () => {
    await features({ 'kubernetes.podspec-volumes-emptydir': 'disabled' });
    expect(await refused(mounted({ emptyDir: {} }))).toBe(
      `EmptyDir volume support is disabled, but found EmptyDir volume v: \nmust not set the field(s): ${SPEC}.volumes[0].emptyDir`,
    );
    await features({});
  });
});

describe('what else a container may not set', () => {
  it.each<[string, Spec, string]>([
    [
      'fieldRef',
      one({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      `must not set the field(s): ${C}.env[0].valueFrom.fieldRef`,
    ],
    [
      'an envFrom of nothing',
      one({ envFrom: [{}] }),
      `expected exactly one, got neither: ${C}.envFrom.configMapRef, ${C}.envFrom.secretRef`,
    ],
    [
      'a user',
      one({ securityContext: { runAsUser: -10 } }),
      `expected 0 <= -10 <= 2147483647: ${C}.securityContext.runAsUser`,
    ],
    [
      'privileged',
      one({ securityContext: { privileged: true } }),
      `must not set the field(s): ${C}.securityContext.privileged`,
    ],
    [
      'capabilities',
      one({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }),
      `must not set the field(s): ${C}.securityContext.capabilities.add`,
    ],
    [
      'a quantity',
      one({ resources: { limits: { memory: 'much' } } }),
      `invalid value: much: ${C}.resources.limits.memory`,
    ],
    [
      'an image',
      one({ image: 'no image' }),
      `Failed to parse image reference: ${C}.image\nimage: "no image", error: could not parse reference: no image`,
    ],
    [
      'the context of its Pod',
      { ...one({}), securityContext: { runAsUser: 1 } },
      `must not set the field(s): ${SPEC}.securityContext, ${SPEC}.securityContext.runAsUser`,
    ],
    ...['lifecycle', 'stdin', 'stdinOnce', 'tty'].map((field): [string, Spec, string] => [
      field,
      one({ [field]: true }),
      `must not set the field(s): ${C}.${field}`,
    ]),
  ])('%s', async (_, spec, text) => {
    expect(await refused(spec)).toBe(text);
  });
});

describe('config-defaults', () => {
  it('gives resources, names, timeouts and the least concurrency, as it stands', async () => {
    await world.configMap('knative-serving', 'config-defaults', {
      'revision-cpu-request': '100m',
      'revision-memory-limit': '64Mi',
      'container-name-template': 'of-{{.Name}}',
      'revision-timeout-seconds': '20',
      'revision-response-start-timeout-seconds': '10',
      'revision-idle-timeout-seconds': '5',
      'allow-container-concurrency-zero': 'false',
    });
    const spec = await stored(
      { containerConcurrency: 1, ...one({ resources: { limits: { cpu: '1' } } }) },
      'defaulted',
    );
    expect(spec).toMatchObject({
      timeoutSeconds: 20,
      responseStartTimeoutSeconds: 10,
      idleTimeoutSeconds: 5,
      containers: [
        {
          name: 'of-defaulted',
          resources: { requests: { cpu: '100m' }, limits: { cpu: '1', memory: '64Mi' } },
        },
      ],
    });
    expect(await refused({ ...one({}), containerConcurrency: 0 })).toBe(
      `expected 1 <= 0 <= 1000: ${SPEC}.containerConcurrency`,
    );
    await world.configMap('knative-serving', 'config-defaults', {});
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'config-defaults',
      { 'revision-timeout-seconds': '700' },
      'revision-timeout-seconds (700) cannot be greater than max-revision-timeout-seconds (600)',
    ],
    [
      'config-defaults',
      { 'revision-idle-timeout-seconds': '301' },
      'revision-idle-timeout-seconds (301) cannot be greater than revision-timeout-seconds (300)',
    ],
    ['config-defaults', { 'container-concurrency': '-1' }, 'expected 0 <= -1 <= 1000: container-concurrency'],
    [
      'config-defaults',
      { 'revision-cpu-limit': 'much' },
      `failed to parse "revision-cpu-limit": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'`,
    ],
    [
      'config-defaults',
      { 'max-revision-timeout-seconds': 'x' },
      'failed to parse "max-revision-timeout-seconds": strconv.ParseInt: parsing "x": invalid syntax',
    ],
    [
      'config-defaults',
      { 'container-name-template': '{{.UID}}' },
      'failed to parse "container-name-template": "{{.UID}}" has more than {{.Name}} and {{.Namespace}}',
    ],
    [
      'config-deployment',
      { 'progress-deadline': '0s' },
      'progress-deadline cannot be a non-positive duration, was 0s',
    ],
    [
      'config-deployment',
      { 'progress-deadline': '1500ms' },
      'progress-deadline must be rounded to a whole second, was: 1.5s',
    ],
  ])('and %s is refused with %j', async (name, data, text) => {
    await expect(world.configMap('knative-serving', name, data)).rejects.toThrow(text);
  });
});
