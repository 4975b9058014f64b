import { describe, expect, it } from 'vitest';
import type { Pod } from '../../../../src/apis/core/pod.ts';
import { happenings, ofProbe, stopping } from '../../../../src/serving/control/pod-events/happenings.ts';

type State = Readonly<Record<string, unknown>>;
const RUNNING: State = { running: { startedAt: '2026-01-01T00:00:00Z' } };
const CREATING: State = { waiting: { reason: 'ContainerCreating' } };
const ended = (reason: string, exitCode: number, finishedAt = '2026-01-01T00:01:00Z'): State => ({
  terminated: { exitCode, reason, message: 'it said no', finishedAt },
});

function pod(state: State, more: { restarts?: number; lastState?: State; status?: object } = {}): Pod {
  const container = (name: string) => ({
    name,
    image: name,
    imageID: '',
    ready: false,
    started: false,
    restartCount: more.restarts ?? 0,
    state,
    ...(more.lastState !== undefined && { lastState: more.lastState }),
  });
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'demo', uid: 'u-1' },
    spec: { nodeName: 'here', containers: [{ name: 'app', image: 'shop:1' }, { name: 'queue-proxy' }] },
    status: { containerStatuses: ['app', 'queue-proxy'].map(container), ...more.status },
  } as Pod;
}
const told = (before: Pod | undefined, after: Pod): string[] =>
  happenings(before, after).map(
    ({ type, reason, message, fieldPath = '' }) => `${type} ${reason} ${fieldPath}: ${message}`,
  );
const APP = 'spec.containers{app}';

describe('what is said of a Pod', () => {
  it('begins with its place, in the scheduler’s name', () => {
    expect(happenings(undefined, pod(CREATING))).toEqual([
      {
        component: 'default-scheduler',
        type: 'Normal',
        reason: 'Scheduled',
        message: 'Successfully assigned demo/web to here',
      },
    ]);
  });

  it('is pulled, created and started, of a container that runs, and not of the gateway', () => {
    expect(told(pod(CREATING), pod(RUNNING))).toEqual([
      `Normal Pulled ${APP}: Container image "shop:1" already present on machine`,
      `Normal Created ${APP}: Created container: app`,
      `Normal Started ${APP}: Started container app`,
    ]);
    expect(told(pod(RUNNING), pod(RUNNING))).toEqual([]);
  });

  it('is started again after a restart, however short it was', () => {
    const again = told(pod(RUNNING), pod(RUNNING, { restarts: 1 }));
    expect(again.at(-1)).toBe(`Normal Started ${APP}: Started container app`);
    const short = told(pod(CREATING), pod(ended('Completed', 0)));
    expect(short.at(-1)).toBe(`Normal Started ${APP}: Started container app`);
  });

  it('is that one backs off, once for each restart', () => {
    const waiting: State = { waiting: { reason: 'CrashLoopBackOff', message: 'back-off' } };
    const line = `Warning BackOff ${APP}: Back-off restarting failed container app in pod web_demo(u-1)`;
    expect(told(pod(RUNNING), pod(waiting, { restarts: 1 }))).toEqual([line]);
    expect(told(pod(waiting, { restarts: 1 }), pod(waiting, { restarts: 1 }))).toEqual([]);
    expect(told(pod(waiting, { restarts: 1 }), pod(waiting, { restarts: 2 }))).toEqual([line]);
  });

  it('is why one cannot start, and never that it has', () => {
    const state = (reason: string, message: string): State => ({ waiting: { reason, message } });
    expect(told(pod(CREATING), pod(state('ErrImagePull', 'no such image')))).toEqual([
      `Warning Failed ${APP}: Failed to pull image "shop:1": no such image`,
      `Warning Failed ${APP}: Error: ErrImagePull`,
    ]);
    const late = state('ImagePullBackOff', 'Back-off pulling image "shop:1": ErrImagePull: no such image');
    expect(told(pod(state('ErrImagePull', 'no such image')), pod(late))).toEqual([
      `Normal BackOff ${APP}: Back-off pulling image "shop:1"`,
      `Warning Failed ${APP}: Error: ImagePullBackOff`,
    ]);
    const never = 'Container image "shop:1" is not present with pull policy of Never';
    expect(told(pod(CREATING), pod(state('ErrImageNeverPull', never)))).toEqual([
      `Warning ErrImageNeverPull ${APP}: ${never}`,
      `Warning Failed ${APP}: Error: ErrImageNeverPull`,
    ]);
    expect(told(pod(CREATING), pod(state('CreateContainerConfigError', 'secret "s" not found')))).toEqual([
      `Warning Failed ${APP}: Error: secret "s" not found`,
    ]);
    expect(told(pod(CREATING), pod(ended('Error', 128)))).toEqual([]);
  });

  it('is that it used too much memory, once for each time', () => {
    const once = pod(RUNNING, { restarts: 1, lastState: ended('OOMKilled', 137) });
    expect(told(pod(RUNNING, { restarts: 1 }), once)).toEqual([
      `Warning OOMKilling ${APP}: Container app: it said no`,
    ]);
    expect(told(once, once)).toEqual([]);
    const twice = pod(RUNNING, {
      restarts: 1,
      lastState: ended('OOMKilled', 137, '2026-01-01T00:09:00Z'),
    });
    expect(told(once, twice)).toHaveLength(1);
  });

  it('is that it took longer than it may', () => {
    const late = pod(RUNNING, { status: { reason: 'DeadlineExceeded', message: 'too long' } });
    expect(
      told(pod(RUNNING), { ...late, status: { reason: 'DeadlineExceeded', message: 'too long' } }),
    ).toEqual(['Normal DeadlineExceeded : too long']);
  });

  it('ends with the containers that run being stopped', () => {
    expect(stopping(pod(RUNNING)).map(({ reason, message }) => `${reason} ${message}`)).toEqual([
      'Killing Stopping container app',
    ]);
    expect(stopping(pod(ended('Error', 143)))).toHaveLength(1); // it had been told to end already
    expect(stopping(pod(ended('Completed', 0), { status: { phase: 'Succeeded' } }))).toEqual([]);
    expect(stopping(pod({ waiting: { reason: 'CrashLoopBackOff' } }))).toEqual([]);
  });

  it('is what a probe said, and that a container ends for it', () => {
    const fault = { probe: 'Liveness', fault: 'HTTP probe failed with statuscode: 500' } as const;
    expect(ofProbe('app', { ...fault, isLast: false })).toMatchObject({
      type: 'Warning',
      reason: 'Unhealthy',
      message: 'Liveness probe failed: HTTP probe failed with statuscode: 500',
      fieldPath: APP,
    });
    expect(ofProbe('app', { ...fault, isLast: true })).toMatchObject({
      type: 'Normal',
      reason: 'Killing',
      message: 'Container app failed liveness probe, will be restarted',
    });
  });
});
