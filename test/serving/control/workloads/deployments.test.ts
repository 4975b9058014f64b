import { describe, expect, it } from 'vitest';
import { DEPLOYMENT } from '../../../../src/apis/apps/deployment.ts';
import { REPLICA_SET } from '../../../../src/apis/apps/replica-set.ts';
import { POD } from '../../../../src/apis/core/pod.ts';
import { Lifecycle } from '../../../../src/apiserver/storage/lifecycle.ts';
import { workloadWorlds } from '../../../kit/workload-world.ts';
import { conditionIn } from '../../../kit/world.ts';

const open = workloadWorlds();

describe('a Deployment', () => {
  it('has its Pods by a ReplicaSet, each what Kubernetes makes of it', async () => {
    const of = open();
    await of.world.configMap('default', 'settings', { word: 'sesame' });
    await of.deployment(
      { replicas: 2 },
      {
        args: ['--loud'],
        resources: { requests: { cpu: '10m' } },
        env: [{ name: 'WORD', valueFrom: { configMapKeyRef: { name: 'settings', key: 'word' } } }],
      },
    );
    await of.rolledOut(2);
    const [set] = await of.all(REPLICA_SET);
    expect(set).toMatchObject({
      metadata: {
        name: expect.stringMatching(/^web-[0-9a-f]{10}$/),
        annotations: { 'deployment.kubernetes.io/revision': '1' },
        ownerReferences: [{ kind: 'Deployment', name: 'web', controller: true }],
      },
      status: { replicas: 2, readyReplicas: 2, availableReplicas: 2 },
    });
    const [pod] = await of.all(POD);
    expect(pod).toMatchObject({
      spec: { nodeName: 'millrace', serviceAccountName: 'default' },
      status: { qosClass: 'Burstable' },
    });
    expect(pod?.metadata.name).toMatch(new RegExp(`^${set?.metadata.name}-\\w{5}$`));
    expect(pod).toMatchObject({
      metadata: {
        labels: { app: 'web', 'pod-template-hash': set?.metadata.name.slice(4) },
        ownerReferences: [{ kind: 'ReplicaSet' }],
      },
      status: {
        phase: 'Running',
        containerStatuses: [{ name: 'c', ready: true, restartCount: 0, imageID: 'web@sha256:one' }],
      },
    });
    expect(of.runtime.specs[0]?.containers).toMatchObject([
      {
        launch: { command: ['web', '--loud'] },
        env: { WORD: 'sesame' },
        directory: '/images/web@sha256:one',
        isServing: false,
      },
    ]);
    const shown = await of.world.get(DEPLOYMENT, 'web');
    expect(conditionIn(shown, 'Available')).toMatchObject({
      status: 'True',
      reason: 'MinimumReplicasAvailable',
    });
    expect(conditionIn(shown, 'Progressing')).toMatchObject({
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${set?.metadata.name}" has successfully progressed.`,
    });
  });

  it('keeps its image until its template changes, and its former ReplicaSets to go back to', async () => {
    const of = open();
    await of.deployment();
    await of.rolledOut(1);
    const [first] = await of.podNames();
    of.images.set('web', 'sha256:two');
    of.runtime.of(first ?? '')?.crash();
    await expect.poll(() => of.runtime.specs.length).toBe(2);
    expect(of.runtime.specs[1]?.containers[0]?.directory).toBe('/images/web@sha256:one');
    const before = await of.world.get(DEPLOYMENT, 'web');
    await of.deployment({}, { env: [{ name: 'NEW', value: 'yes' }] });
    await of.rolledOut(1);
    expect(of.runtime.specs.at(-1)?.containers[0]?.directory).toBe('/images/web@sha256:two');
    expect(await of.all(REPLICA_SET)).toHaveLength(2);
    await of.world.apply({ ...before, metadata: { name: 'web', namespace: 'default' } });
    await of.rolledOut(1);
    const revisions = (await of.all(REPLICA_SET)).map(
      ({ metadata }) => metadata.annotations?.['deployment.kubernetes.io/revision'],
    );
    expect(revisions.toSorted((a = '', b = '') => a.localeCompare(b))).toEqual(['2', '3']);
    expect(of.runtime.specs.at(-1)?.containers[0]?.directory).toBe('/images/web@sha256:one');
  });

  it('runs the image of its template, whatever kubectl rollout undo has copied to it', async () => {
    const of = open();
    of.images.set('api', 'sha256:api');
    await of.deployment();
    await of.rolledOut(1);
    const [set] = await of.all(REPLICA_SET);
    const { annotations = {} } = (await of.world.get(DEPLOYMENT, 'web')).metadata;
    const undone = await of.deployment({}, { image: 'api' });
    await of.world.apply({
      ...undone,
      metadata: {
        name: 'web',
        namespace: 'default',
        annotations: { ...annotations, ...set?.metadata.annotations },
      },
    });
    await of.rolledOut(1);
    expect(of.runtime.specs.at(-1)?.containers[0]?.directory).toBe('/images/api@sha256:api');
  });

  it('says what it lacks, and starts when that comes', async () => {
    const of = open();
    of.images.clear();
    await of.deployment(
      {},
      { env: [{ name: 'WORD', valueFrom: { secretKeyRef: { name: 'vault', key: 'word' } } }] },
    );
    const message = async () => conditionIn(await of.world.get(DEPLOYMENT, 'web'), 'Available')?.message;
    await expect.poll(message).toContain('push it with: millrace push web');
    of.images.set('web', 'sha256:one');
    of.workloads.imagePushed();
    await expect
      .poll(message)
      .toContain('key word of Secret default/vault is not there: there is no such Secret');
    await of.world.apply({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'vault', namespace: 'default' },
      stringData: { word: 'sesame' },
    });
    await of.rolledOut(1);
  });

  it('is never with fewer Pods than allowed while what is new does not start', async () => {
    const of = open();
    await of.deployment({ replicas: 2 });
    await of.rolledOut(2);
    const before = await of.podNames();
    const release = of.runtime.hold();
    await of.deployment({ replicas: 2 }, { args: ['--new'] });
    await expect.poll(() => of.podNames()).toHaveLength(3);
    expect(await of.podNames()).toEqual(expect.arrayContaining([...before]));
    release();
    await of.rolledOut(2);
    await expect.poll(async () => (await of.podNames()).filter((name) => before.includes(name))).toEqual([]);
  });

  it('counts restarts in its Pod, says how it ended, and waits longer each time', async () => {
    const of = open();
    await of.deployment();
    await of.rolledOut(1);
    of.runtime.started[0]?.crash();
    await expect.poll(() => of.runtime.started.length).toBe(2);
    await expect
      .poll(() => of.pods.lifeOf(`default/${of.runtime.started[1]?.id}`)?.standing.state)
      .toBe('running');
    of.runtime.started[1]?.crash();
    await expect
      .poll(async () => (await of.all(POD))[0]?.status)
      .toMatchObject({
        phase: 'Running',
        containerStatuses: [
          {
            restartCount: 2,
            ready: false,
            state: { waiting: { reason: 'CrashLoopBackOff' } },
            lastState: { terminated: { exitCode: 3, reason: 'Error' } },
          },
        ],
      });
    await expect
      .poll(async () => conditionIn(await of.world.get(DEPLOYMENT, 'web'), 'Available'))
      .toMatchObject({ status: 'False', message: 'Container failed with: exited with code 3' });
    of.world.clock.advance(1000);
    await expect.poll(() => of.runtime.started.length).toBe(3);
  });

  it('says that it hangs once it has made no progress for as long as it may', async () => {
    const of = open();
    const release = of.runtime.hold();
    await of.deployment({ progressDeadlineSeconds: 30 });
    const progressing = async () => conditionIn(await of.world.get(DEPLOYMENT, 'web'), 'Progressing');
    await expect.poll(progressing).toMatchObject({ status: 'True', reason: 'ReplicaSetUpdated' });
    await expect
      .poll(() => {
        of.world.clock.advance(5000);
        return progressing();
      })
      .toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
    release();
  });

  it('is scaled, has deleted Pods replaced, and leaves a Revision’s alone', async () => {
    const of = open();
    await of.deployment({ replicas: 2 });
    await of.rolledOut(2);
    const [gone = ''] = await of.podNames();
    await of.world.admin.remove(POD, 'default', gone);
    await expect.poll(() => of.podNames()).not.toContain(gone);
    await of.rolledOut(2);
    await of.deployment({ replicas: 0 });
    await expect.poll(() => of.podNames()).toEqual([]);
    const owner = {
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Revision',
      name: 'r',
      uid: 'u',
      controller: true,
    };
    await of.world.apply({
      ...DEPLOYMENT,
      metadata: { name: 'made', namespace: 'default', ownerReferences: [owner] },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'web' }] } },
      },
    });
    await of.deployment({ replicas: 1 });
    await of.rolledOut(1);
    expect((await of.world.get(DEPLOYMENT, 'made')).status).toBeUndefined();
  });

  it('lets a Pod go that it selects no more, and takes what it selects and nobody has', async () => {
    const of = open();
    await of.deployment();
    await of.rolledOut(1);
    const [name = ''] = await of.podNames();
    const pod = await of.world.get(POD, name);
    await of.world.apply({ ...pod, metadata: { ...pod.metadata, labels: { app: 'aside' } } });
    await expect.poll(() => of.podNames()).toHaveLength(2);
    await of.rolledOut(1);
    expect((await of.world.get(POD, name)).metadata.ownerReferences).toBeUndefined();
    expect(of.pods.lifeOf(`default/${name}`)?.standing.state).toBe('running');
    const back = await of.world.get(POD, name);
    await of.world.apply({ ...back, metadata: { ...back.metadata, labels: pod.metadata.labels ?? {} } });
    await expect.poll(() => of.podNames()).toHaveLength(1); // one too many: of both, the younger goes
  });

  it('takes over the ReplicaSets that one of its name has left behind, Pods and all', async () => {
    const of = open();
    await of.deployment({}, { args: ['--old'] });
    await of.rolledOut(1);
    await of.deployment();
    await of.rolledOut(1);
    const before = await of.podNames();
    const lifecycle = new Lifecycle(of.world.store);
    lifecycle.start();
    await of.world.store.remove(
      { group: 'apps', kind: 'Deployment', namespace: 'default', name: 'web' },
      { writer: { user: 'admin' }, propagation: 'Orphan' },
    );
    const owners = async () => (await of.all(REPLICA_SET)).map(({ metadata }) => metadata.ownerReferences);
    await expect.poll(owners).toEqual([undefined, undefined]);
    await expect.poll(() => of.all(DEPLOYMENT)).toEqual([]);
    await lifecycle.close();
    await of.deployment();
    await of.rolledOut(1);
    expect(await of.podNames()).toEqual(before);
    expect(await owners()).toMatchObject([[{ name: 'web' }], [{ name: 'web' }]]);
  });

  it('tells of each ReplicaSet that it scales, which tells of each Pod', async () => {
    const of = open();
    await of.deployment({ replicas: 2 });
    await of.rolledOut(2);
    await of.deployment({ replicas: 0 });
    await expect.poll(() => of.podNames()).toEqual([]);
    const [set] = await of.all(REPLICA_SET);
    await expect
      .poll(() => of.told())
      .toEqual(
        expect.arrayContaining([
          `Deployment Normal ScalingReplicaSet Scaled up replica set ${set?.metadata.name} from 0 to 2`,
          `Deployment Normal ScalingReplicaSet Scaled down replica set ${set?.metadata.name} from 2 to 0`,
          expect.stringMatching(/^ReplicaSet Normal SuccessfulCreate Created pod: web-\w+-\w{5}$/),
          expect.stringMatching(/^ReplicaSet Normal SuccessfulDelete Deleted pod: web-\w+-\w{5}$/),
        ]),
      );
  });

  it('starts functions with what acts at the start of a process, and tells what does nothing', async () => {
    const of = open();
    of.launch = { kind: 'function', entry: 'index.mjs' };
    const annotations = {
      'runtime.millrace.dev/node-permission': 'worker',
      'runtime.millrace.dev/node-heap': 'limit',
    };
    const containers = [{ name: 'c', image: 'web', env: [{ name: 'NODE_OPTIONS', value: '--trace-gc' }] }];
    const template = { metadata: { labels: { app: 'web' }, annotations }, spec: { containers } };
    await of.deployment({ template });
    await of.rolledOut(1);
    expect(of.runtime.specs[0]?.containers[0]?.ownStart).toMatchObject({
      nodeArgs: ['--permission', '--allow-worker'],
      isRestricted: true,
      why: ['annotation runtime.millrace.dev/node-permission', 'variable NODE_OPTIONS'],
    });
    const pod = await of.world.get(POD, (await of.podNames())[0] ?? '');
    expect(conditionIn(pod, 'SpecHonoured')).toMatchObject({
      status: 'False',
      reason: 'PartlyIgnored',
      message:
        'annotation runtime.millrace.dev/node-heap is limit, and container c has no resources.limits.memory: name one',
    });
  });
});
