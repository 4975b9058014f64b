import { request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { Cgroups } from '../../src/serving/runtime/process/isolation/cgroups.ts';
import { Namespaces } from '../../src/serving/runtime/process/isolation/namespaces.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { SERVER } from '../kit/local-runtime.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('containers');
const dataDir = join(root, 'data');
const { way } = new Namespaces(temporaryFolder('mounts'));
const noMemory = new Cgroups({ name: 'trial' }).why('memory');

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const image = folderWith('probe', { 'server.js': SERVER, 'sub/here': '' });
  const pushed = await millrace([
    'push',
    'probe',
    image,
    '--command',
    'exec node server.js',
    '--data-dir',
    dataDir,
  ]);
  expect(pushed).toMatchObject({ code: 0 });
  await apply(`
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {token: sesame}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {color: blue}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config-features, namespace: knative-serving}
data: {kubernetes.podspec-init-containers: enabled, kubernetes.podspec-fieldref: enabled, multi-container-probing: enabled}
`);
}, 30_000);
afterAll(() => platform.close(0));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  return stdout;
}
const apply = (manifest: string): Promise<string> => ok(['apply'], manifest);
const ready = (name: string): Promise<string> =>
  ok(['wait', '--for=condition=Ready', '--timeout=20s', `ksvc/${name}`]);

/** A Service whose containers are these, in the flow style of YAML. */
const service = (name: string, spec: object, annotations: object = {}): Promise<string> =>
  apply(
    JSON.stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name },
      spec: { template: { metadata: { annotations }, spec } },
    }),
  );
const secret = (name: string, stringData: Record<string, string>): Promise<string> =>
  apply(JSON.stringify({ apiVersion: 'v1', kind: 'Secret', metadata: { name }, stringData }));
const probe = (more: object = {}): object => ({ image: 'probe', command: ['node', 'server.js'], ...more });

/** What a service answers, `CODE text`. */
function ask(name: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { headers: { host: `${name}.default.localhost` }, agent: false };
    const outgoing = httpRequest(`${platform.endpoints.gateway}${path}`, options, (response) => {
      let text = `${response.statusCode} `;
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve(text));
    });
    outgoing.on('error', reject).end();
  });
}
const run = (name: string, line: string): Promise<string> => ask(name, `/run?${encodeURIComponent(line)}`);

type Pod = {
  readonly metadata: { readonly name: string };
  readonly status: {
    readonly containerStatuses: readonly Record<string, unknown>[];
    readonly initContainerStatuses?: unknown;
  };
};
async function podOf(name: string): Promise<Pod | undefined> {
  const { items } = JSON.parse(
    await ok(['get', 'pods', '-l', `serving.knative.dev/service=${name}`, '-o', 'json']),
  ) as {
    items: Pod[];
  };
  return items[0];
}
async function condition(name: string, type: string): Promise<unknown> {
  const { status } = JSON.parse(await ok(['get', 'revision', `${name}-00001`, '-o', 'json'])) as {
    status: { conditions?: { type: string }[] };
  };
  return status.conditions?.find((each) => each.type === type);
}

describe('several containers in one revision', () => {
  it('share localhost; the sidecar has a port, probes, a log and a line in its Pod of its own', async () => {
    await service('pair', {
      containers: [
        probe({ ports: [{ containerPort: 8080 }], env: [{ name: 'SIDE', value: '18882' }] }),
        probe({
          command: ['sh', '-c', 'echo side is up; exec node server.js'],
          env: [{ name: 'AT', value: '18882' }],
          livenessProbe: { httpGet: { path: '/healthz', port: 18_882 } },
        }),
      ],
    });
    await ready('pair');
    expect(
      await run(
        'pair',
        'node -e "fetch(\'http://127.0.0.1:\' + process.env.SIDE).then(async (r) => console.log(await r.text()))"',
      ),
    ).toBe('200 ok\n');
    const pod = await podOf('pair');
    await expect
      .poll(async () =>
        (await podOf('pair'))?.status.containerStatuses.map(({ name, ready: is }) => [name, is]),
      )
      .toEqual([
        ['user-container-0', true],
        ['user-container-1', true],
        ['queue-proxy', true],
      ]);
    expect(await ok(['logs', pod?.metadata.name ?? '', '-c', 'user-container-1'])).toBe('side is up\n');
    expect(await ok(['logs', pod?.metadata.name ?? '', '-c', 'user-container-0'])).toBe('');
    expect(
      await ok(['get', 'revision', 'pair-00001', '-o', 'jsonpath={.status.containerStatuses[*].name}']),
    ).toBe('user-container-0 user-container-1');
  });

  it.skipIf(way.kind === 'none')(
    'wait for init containers, whose work they find in an emptyDir',
    async () => {
      await service('begun', {
        initContainers: [
          {
            image: 'probe',
            command: ['sh', '-c', 'echo making; echo made > /work-dir/it'],
            volumeMounts: [{ name: 'work', mountPath: '/work-dir' }],
          },
        ],
        containers: [probe({ volumeMounts: [{ name: 'work', mountPath: '/work-dir' }] })],
        volumes: [{ name: 'work', emptyDir: {} }],
      });
      await expect
        .poll(() => condition('begun', 'Ready'), { timeout: 6000 })
        .toMatchObject({ status: 'True' });
      await ready('begun');
      expect(await run('begun', 'cat /work-dir/it')).toBe('200 made\n');
      expect(await ok(['logs', (await podOf('begun'))?.metadata.name ?? '', '-c', 'init-container'])).toBe(
        'making\n',
      );
    },
  );
});

describe('what a container is given', () => {
  it('is its variables, arguments and folder, from Secrets, ConfigMaps and fields', async () => {
    await service('given', {
      containers: [
        probe({
          command: ['sh', '-c', 'echo "$0 $1 at $(pwd)"; cd ..; exec node server.js'],
          args: ['color:$(COLOR)', '$$(COLOR) $(NOBODY)'],
          workingDir: '/sub',
          env: [
            { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'conf', key: 'color' } } },
            { name: 'BOTH', value: '$(COLOR)-$(TOKEN)' },
            { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          ],
          envFrom: [
            { secretRef: { name: 'keys' }, prefix: 'K_IN_' },
            { configMapRef: { name: 'none', optional: true } },
          ],
        }),
      ],
    });
    await ready('given');
    const pod = (await podOf('given'))?.metadata.name;
    expect(await ok(['logs', pod ?? ''])).toMatch(/^color:blue \$\(COLOR\) \$\(NOBODY\) at .*\/sub\n$/);
    expect(await run('given', 'echo $COLOR $BOTH $K_IN_token $POD')).toBe(
      `200 blue blue-$(TOKEN) sesame ${pod}\n`,
    );
    expect(
      await run(
        'given',
        'cat; echo $?; for f in fd null random stdin stdout stderr urandom zero full ptmx tty; do test -e /dev/$f || echo no $f; done; touch /tmp/mine && rm /tmp/mine && test -r /etc/resolv.conf && echo well',
      ),
    ).toBe('200 0\nwell\n');
  });

  it('is awaited: what is not there is named in the Revision, and it starts when that comes', async () => {
    await service('waits', { containers: [probe({ envFrom: [{ secretRef: { name: 'later' } }] })] });
    await expect
      .poll(() => condition('waits', 'Ready'), { timeout: 5000 })
      .toMatchObject({
        status: 'False',
        message: expect.stringContaining('Secret default/later is not there; make it with: kubectl create'),
      });
    await secret('later', { a: 'b' });
    await ready('waits');
  });

  it.skipIf(way.kind === 'none')('are its volumes, whose files follow their objects', async () => {
    const projected = {
      sources: [
        { secret: { name: 'keys', items: [{ key: 'token', path: 'deep/token' }] } },
        { configMap: { name: 'conf' } },
        {
          downwardAPI: {
            items: [
              { path: 'app', fieldRef: { fieldPath: "metadata.labels['serving.knative.dev/service']" } },
            ],
          },
        },
      ],
    };
    await service('mounts', {
      containers: [
        probe({
          volumeMounts: [
            { name: 'secret', mountPath: '/etc/of-secret' },
            { name: 'config', mountPath: '/of-config/color', subPath: 'color' },
            { name: 'all', mountPath: '/projected-here' },
          ],
        }),
      ],
      volumes: [
        { name: 'secret', secret: { secretName: 'keys', defaultMode: 0o400 } },
        { name: 'config', configMap: { name: 'conf' } },
        { name: 'all', projected },
      ],
    });
    await ready('mounts');
    expect(
      await run(
        'mounts',
        'cat /etc/of-secret/token /of-config/color /projected-here/deep/token /projected-here/color /projected-here/app',
      ),
    ).toBe('200 sesamebluesesamebluemounts');
    expect(await run('mounts', 'touch /etc/of-secret/x')).toMatch(/Read-only file system/);
    const pod = (await podOf('mounts'))?.metadata.name;
    await secret('keys', { token: 'changed' });
    await expect
      .poll(() => run('mounts', 'cat /etc/of-secret/token /projected-here/deep/token'), { timeout: 5000 })
      .toBe('200 changedchanged');
    expect((await podOf('mounts'))?.metadata.name).toBe(pod);
  });

  it.skipIf(way.kind === 'none')('is a token of its account, by which the API knows it', async () => {
    const sources = [{ serviceAccountToken: { path: 'token', audience: 'api' } }];
    await service('bearer', {
      containers: [probe({ volumeMounts: [{ name: 'all', mountPath: '/token-here' }] })],
      volumes: [{ name: 'all', projected: { sources, defaultMode: 0o444 } }],
    });
    await ready('bearer');
    const [code, token = ''] = (await run('bearer', 'cat /token-here/token')).split(' ');
    expect(code).toBe('200');
    const review = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, audiences: ['api'] },
    };
    const told = await ok(['create', '-o', 'jsonpath={.status.user.username}'], JSON.stringify(review));
    expect(told).toBe('system:serviceaccount:default:default');
  });

  it.skipIf(way.kind !== 'root')('is the user that it asks for', async () => {
    await service('user', {
      containers: [probe({ securityContext: { runAsUser: 2020, runAsGroup: 2021 } })],
    });
    await ready('user');
    expect(await run('user', 'echo $(id -u):$(id -g)')).toBe('200 2020:2021\n');
  });
});

describe('what ends a container', () => {
  it('is told in its Pod and in the Revision, with its exit code and last lines', async () => {
    await service(
      'failing',
      { containers: [probe({ command: ['sh', '-c', 'echo no database; exit 5'] })] },
      { 'serving.knative.dev/progress-deadline': '10s' },
    );
    await expect
      .poll(() => condition('failing', 'ContainerHealthy'), { timeout: 5000 })
      .toMatchObject({
        status: 'False',
        reason: 'ExitCode5',
        message: 'Container failed with: exited with code 5; it printed last:\nno database',
      });
    await expect
      .poll(async () => (await podOf('failing'))?.status.containerStatuses[0], { timeout: 5000 })
      .toMatchObject({
        restartCount: expect.toSatisfy((count: number) => count >= 1),
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { exitCode: 5, reason: 'Error' } },
      });
    // Between an end and the wait that follows it is Error, as on a cluster.
    await expect
      .poll(() => ok(['get', 'pods', '-l', 'serving.knative.dev/service=failing']), { timeout: 5000 })
      .toMatch(/0\/2 +CrashLoopBackOff/);
    expect(
      await ok([
        'get',
        'ksvc',
        'failing',
        '-o',
        'jsonpath={.status.conditions[?(@.type=="ConfigurationsReady")].message}',
      ]),
    ).toContain('exited with code 5');
  });

  it('is a liveness probe that fails: it is restarted in its Pod, which counts', async () => {
    const livenessProbe = { httpGet: { path: '/healthz' }, periodSeconds: 1, failureThreshold: 1 };
    await service('alive', { containers: [probe({ livenessProbe })] });
    await ready('alive');
    const pod = (await podOf('alive'))?.metadata.name;
    expect(await ask('alive', '/fail')).toBe('200 ok');
    await expect
      .poll(async () => (await podOf('alive'))?.status.containerStatuses[0], { timeout: 10_000 })
      .toMatchObject({
        ready: true,
        restartCount: 1,
        lastState: {
          terminated: {
            message: expect.stringContaining('Liveness probe failed: HTTP probe failed with statuscode: 503'),
          },
        },
      });
    expect((await podOf('alive'))?.metadata.name).toBe(pod);
    expect(await ask('alive', '/')).toBe('200 ok');
  });

  it('is no end: a readiness probe that fails takes it out, and one that succeeds brings it back', async () => {
    const readinessProbe = { httpGet: { path: '/healthz' }, periodSeconds: 1, failureThreshold: 1 };
    await service(
      'moody',
      { containers: [probe({ readinessProbe })] },
      { 'autoscaling.knative.dev/max-scale': '1' },
    );
    await ready('moody');
    await run(
      'moody',
      "(sleep 3; node -e \"fetch('http://127.0.0.1:' + process.env.PORT + '/well')\") > /dev/null 2>&1 &",
    );
    await ask('moody', '/fail');
    await expect
      .poll(async () => (await podOf('moody'))?.status.containerStatuses[0], { timeout: 5000 })
      .toMatchObject({ ready: false, restartCount: 0 });
    expect(await ask('moody', '/')).toBe('200 ok'); // it waited until the instance was well again
    await expect
      .poll(async () => (await podOf('moody'))?.status.containerStatuses[0])
      .toMatchObject({ ready: true, restartCount: 0 });
  });

  it.skipIf(noMemory !== undefined)(
    `is its memory limit, told as OOMKilled (${noMemory ?? 'enforced'})`,
    async () => {
      const resources = { limits: { memory: '96Mi', cpu: '500m' } };
      await service('eater', { containers: [probe({ resources })] });
      await ready('eater');
      expect(
        await run('eater', 'node -e "const k = []; for (;;) k.push(Buffer.alloc(8e6, 1))"; kill -9 $PPID'),
      ).toMatch(/^50[23] /);
      await expect
        .poll(async () => (await podOf('eater'))?.status.containerStatuses[0], { timeout: 5000 })
        .toMatchObject({
          lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
        });
      expect(
        await ok(['get', 'revision', 'eater-00001', '-o', 'jsonpath={.status.conditions[*].type}']),
      ).not.toContain('SpecHonoured');
    },
  );

  it('is the progress deadline, when it never becomes ready', async () => {
    await service(
      'late',
      { containers: [probe({ command: ['sleep', '60'] })] },
      { 'serving.knative.dev/progress-deadline': '2s' },
    );
    await expect
      .poll(() => condition('late', 'ResourcesAvailable'), { timeout: 8000 })
      .toMatchObject({
        status: 'False',
        reason: 'ProgressDeadlineExceeded',
        message: expect.stringContaining('nothing listened on the port in PORT within 2000 ms'),
      });
  });
});

describe('what is not taken', () => {
  it('is refused by kubectl in upstream’s words', async () => {
    const spec = {
      containers: [probe({ volumeMounts: [{ name: 'h', mountPath: '/h' }] })],
      volumes: [{ name: 'h', hostPath: { path: '/' } }],
    };
    const manifest = JSON.stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name: 'no' },
      spec: { template: { spec } },
    });
    const { code, stderr } = await kubectl(['apply'], manifest);
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('HostPath volume support is disabled, but found HostPath volume h'),
    ]);
  });
});
