import { describe, expect, it } from 'vitest';
import { LABELS } from '../../../src/apis/serving/shared.ts';
import { KINDS, type Container, type Revision } from '../../../src/apis/serving/types.ts';
import type { Bundle } from '../../../src/serving/control/container-plan.ts';
import { planRevision, type ServingConfig } from '../../../src/serving/control/plans.ts';
import type { RevisionPlan, ScalePlan } from '../../../src/serving/plan.ts';

const PROGRAM: Bundle = { directory: '/b', launch: { kind: 'program', command: ['./run', '-v'] } };

const revision = (
  annotations: Record<string, string> = {},
  spec: object = {},
  container: Container = {},
): Revision => ({
  ...KINDS.revision,
  metadata: {
    name: 'r-00001',
    namespace: 'n',
    annotations,
    labels: { [LABELS.configuration]: 'r', [LABELS.service]: 's' },
  },
  spec: { containers: [container], ...spec },
});
const planWith = (of: Revision, config: ServingConfig, bundle = PROGRAM): RevisionPlan => {
  const containers = (of.spec.containers ?? []).map((container) => ({
    container,
    image: 'i@sha256:0',
    bundle,
    env: { A: '1' },
    idEnv: [],
  }));
  return planRevision(of, { kind: 'ready', containers, initContainers: [], volumes: [] }, config);
};
const plan = (of: Revision, autoscaler = {}): RevisionPlan => planWith(of, { autoscaler });
const scale = (annotations: Record<string, string>, config = {}, spec = {}): ScalePlan => {
  const full = Object.entries(annotations).map(([name, value]) => [`autoscaling.knative.dev/${name}`, value]);
  return plan(revision(Object.fromEntries(full), spec), config).scale;
};

describe('the plan of a revision', () => {
  it('has the shipped values of Knative when nothing else is said', () => {
    expect(plan(revision())).toMatchObject({
      key: 'n/r-00001',
      instance: {
        namespace: 'n',
        revision: 'r-00001',
        service: 's',
        configuration: 'r',
        containers: [
          {
            directory: '/b',
            env: { A: '1' },
            isServing: true,
            readiness: { action: { kind: 'tcp', port: undefined }, periodMs: 0 },
          },
        ],
        readyTimeoutMs: 600_000,
      },
      containerConcurrency: 0,
      timeoutMs: 300_000,
      scale: {
        minScale: 0,
        maxScale: 0,
        initialScale: 1,
        activationScale: 1,
        metric: 'concurrency',
        target: 70,
        windowMs: 60_000,
        panicWindowMs: 6000,
        panicThreshold: 2,
        maxScaleUpRate: 1000,
        maxScaleDownRate: 2,
        isScaledToZero: true,
      },
    });
  });

  it.each<[string, Record<string, string>, Record<string, string>, Partial<ScalePlan>]>([
    [
      'annotations before the ConfigMap',
      { window: '10s' },
      { 'stable-window': '30s' },
      { windowMs: 10_000, panicWindowMs: 1000 },
    ],
    [
      'the ConfigMap before what is shipped',
      {},
      { 'stable-window': '30s', 'initial-scale': '0' },
      { windowMs: 30_000, initialScale: 0 },
    ],
    ['old names', { minScale: '2', maxScale: '4' }, {}, { minScale: 2, maxScale: 4, initialScale: 2 }],
    ['rps', { metric: 'rps' }, {}, { metric: 'rps', target: 140 }],
    ['a target', { target: '10', 'target-utilization-percentage': '50' }, {}, { target: 5 }],
    ['no scale to zero', {}, { 'enable-scale-to-zero': 'false' }, { isScaledToZero: false }],
    [
      'delays',
      { 'scale-down-delay': '15s', 'scale-to-zero-pod-retention-period': '1m' },
      {},
      { scaleDownDelayMs: 15_000, retentionMs: 60_000 },
    ],
  ])('takes %s', (_, annotations, config, expected) => {
    expect(scale(annotations, config)).toMatchObject(expected);
  });

  it('aims below what an instance takes at all', () => {
    expect(scale({ target: '100' }, {}, { containerConcurrency: 10 }).target).toBe(7);
  });

  it('starts nothing for a revision that has been ready before', () => {
    const was = { ...revision(), status: { conditions: [{ type: 'Ready', status: 'True' as const }] } };
    expect(plan(was).scale.initialScale).toBe(0);
  });

  it('gives it as long to start as config-deployment says, and its annotation before that', () => {
    const deployment = { 'progress-deadline': '40s' };
    expect(planWith(revision(), { deployment }).instance.readyTimeoutMs).toBe(40_000);
    const own = revision({ 'serving.knative.dev/progress-deadline': '5s' });
    expect(planWith(own, { deployment }).instance.readyTimeoutMs).toBe(5000);
    const { instance, scale: of } = plan(revision({ 'serving.knative.dev/progress-deadline': '5s' }));
    expect([instance.readyTimeoutMs, of.progressDeadlineMs]).toEqual([5000, 5000]);
  });

  it.each<[string, Container, readonly string[]]>([
    ['what its image starts', {}, ['./run', '-v']],
    ['args after it', { args: ['-x'] }, ['./run', '-v', '-x']],
    ['a command in its place', { command: ['/bin/it'], args: ['-x'] }, ['/bin/it', '-x']],
  ])('starts %s', (_, container, command) => {
    expect(plan(revision({}, {}, container)).instance.containers[0]?.launch).toEqual({
      kind: 'program',
      command,
    });
  });

  it.each<[Container['readinessProbe'], object]>([
    [
      { httpGet: { path: '/up', httpHeaders: [{ name: 'a', value: 'b' }] } },
      { kind: 'http', port: undefined, path: '/up', headers: { a: 'b' }, isTls: false },
    ],
    [{ httpGet: {} }, { kind: 'http', port: undefined, path: '/', headers: {}, isTls: false }],
    [{ exec: { command: ['true'] } }, { kind: 'exec', command: ['true'] }],
    [{ tcpSocket: { port: 0 } }, { kind: 'tcp', port: undefined }],
    [{ tcpSocket: { port: 8080 } }, { kind: 'tcp', port: undefined }], // what it is told in PORT stands for it
    [{ tcpSocket: { port: 9000 } }, { kind: 'tcp', port: 9000 }],
    [
      { httpGet: { path: 'up?a=b', port: 'http', scheme: 'HTTPS' } },
      { kind: 'http', port: undefined, path: '/up?a=b', headers: {}, isTls: true },
    ],
    [{ grpc: { port: 8080, service: 's' } }, { kind: 'grpc', port: undefined, service: 's' }],
  ])('probes as %o says', (readinessProbe, probe) => {
    const [container] = plan(revision({}, {}, { ...(readinessProbe && { readinessProbe }) })).instance
      .containers;
    expect(container?.readiness?.action).toEqual(probe);
  });

  it('bounds, mounts and runs a container as its manifest says', () => {
    const [container] = plan(
      revision(
        {},
        { securityContext: { runAsGroup: 7, runAsNonRoot: true } },
        {
          resources: { limits: { memory: '64Mi', cpu: '250m' } },
          volumeMounts: [{ name: 'v', mountPath: '/v/', readOnly: true, subPath: 'a' }],
          securityContext: { runAsUser: 5 },
          livenessProbe: { httpGet: { path: '/' } },
        },
      ),
    ).instance.containers;
    expect(container).toMatchObject({
      limits: { memoryBytes: 67_108_864, milliCpus: 250 },
      mounts: [{ volume: 'v', path: '/v', subPath: 'a', isReadOnly: true }],
      user: { uid: 5, gid: 7, mustNotBeRoot: true },
      liveness: { periodMs: 10_000, timeoutMs: 1000, successThreshold: 1, failureThreshold: 3 },
      startup: undefined,
    });
  });

  it.each([
    [{}, { uid: 65532, gid: 2 }],
    [{ runAsUser: 5 }, { uid: 5, gid: undefined }],
    [
      { runAsUser: 5, runAsGroup: 6 },
      { uid: 5, gid: 6 },
    ],
    [{ runAsGroup: 6 }, { uid: 65532, gid: 6 }],
  ])('runs an image of user 65532:2 with %o as %o', (securityContext, user) => {
    const bundle = { ...PROGRAM, user: { uid: 65532, gid: 2 } };
    const [container] = planWith(revision({}, {}, { securityContext }), {}, bundle).instance.containers;
    expect(container?.user).toEqual({ ...user, mustNotBeRoot: false });
  });

  it.each([
    [{ requests: { cpu: '250m' } }, { milliCpusRequested: 250 }],
    [{ limits: { cpu: '2' } }, { milliCpus: 2000, milliCpusRequested: 2000 }],
    [
      { limits: { cpu: '2' }, requests: { cpu: '1' } },
      { milliCpus: 2000, milliCpusRequested: 1000 },
    ],
  ])('asks for the CPU that %o requests', (resources, limits) => {
    const [container] = plan(revision({}, {}, { resources })).instance.containers;
    expect(container?.limits).toEqual({ memoryBytes: undefined, milliCpus: undefined, ...limits });
  });

  it('sends requests to the container that has ports', () => {
    const containers = [{ name: 'a' }, { name: 'b', ports: [{ name: 'h2c', containerPort: 81 }] }];
    const { instance, protocol } = plan(revision({}, { containers }));
    expect(instance.containers.map(({ isServing }) => isServing)).toEqual([false, true]);
    expect(instance.containers.map(({ readiness }) => readiness?.action.kind)).toEqual([undefined, 'tcp']);
    expect(protocol).toBe('h2c');
  });

  it.each([
    ['h2c', 'disabled', 'h2c'],
    ['http1', 'enabled', 'http1'],
    [undefined, 'disabled', 'http1'],
    [undefined, 'Enabled', 'detect'],
  ])('speaks by a port named %s, with autodetect-http2 %s, %s', (name, flag, protocol) => {
    const of = revision({}, {}, { ports: [{ ...(name !== undefined && { name }) }] });
    expect(planWith(of, { features: { 'autodetect-http2': flag } }).protocol).toBe(protocol);
  });
});
