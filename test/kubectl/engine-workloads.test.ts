import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Duplex } from 'node:stream';
import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { engineTurn, TURN_MAX_MS } from '../kit/engine-turn.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { openPlatform } from '../kit/platform.ts';
import { openRegistry, type Registry } from '../kit/registry.ts';
import { podmanServer, REGISTRY_PORT, TOOLS_IMAGE, TOOLS_TAR } from '../servers/podman.ts';
import { sharedServer } from '../servers/shared.ts';

const podman = await sharedServer(podmanServer);
const socket = podman.kind === 'running' ? podman.address : '';
const title = `Deployments, Jobs and Pods of images that nobody has pushed${podman.kind === 'missing' ? ` (not here: ${podman.reason})` : ''}`;
const root = temporaryFolder('engine-workloads');
const WAIT = { timeout: 60_000, interval: 200 };

let platform: RunningPlatform;
let registry: Registry;
let giveBack: (() => void) | undefined;
let kubectl: TestApi['kubectl'];

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  return stdout;
}
const waitingOf = (pod: string): Promise<string> =>
  ok(['get', 'pod', pod, '-o', 'jsonpath={.status.containerStatuses[0].state.waiting}']);
const pod = (name: string, container: string, more = ''): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}}\nspec: {containers: [{name: it, ${container}}]${more}}\n`;
const job = (name: string, line: string): string => `
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  backoffLimit: 0
  template:
    spec: {restartPolicy: Never, containers: [{name: it, image: "${TOOLS_IMAGE}", command: [sh, -c, "${line}"]}]}
`;
const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: tools}
spec:
  selector: {matchLabels: {app: tools}}
  template:
    metadata: {labels: {app: tools}}
    spec:
      containers:
      - name: web
        image: ${TOOLS_IMAGE}
        command: [sh, -c, "httpd -p 127.0.0.1:9099 -h /www; echo hello; exec httpd -f -p $PORT -h /www"]
        ports: [{containerPort: 8080}]
`;

const HELLO = `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: hello}
spec: {template: {spec: {containers: [{image: ghcr.io/knative/helloworld-go}]}}}
`;

/** What GET / is answered through `kubectl port-forward` to a port of a Pod. */
async function forwarded(of: string, port: number): Promise<string> {
  const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
  const child = spawn('kubectl', ['port-forward', of, `:${port}`], {
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  try {
    await expect.poll(() => said, WAIT).toMatch(/Forwarding from 127\.0\.0\.1:\d+/);
    const [, local = ''] = /127\.0\.0\.1:(\d+)/.exec(said) ?? [];
    return await (await fetch(`http://127.0.0.1:${local}/`)).text();
  } finally {
    child.kill();
    await once(child, 'close');
  }
}

/** What the API answers the account of a Pod, asked by a connection that begins in its container and by the name that it has there. */
async function apiFromWithin(of: string, path: string): Promise<unknown> {
  const token = (await ok(['create', 'token', 'default'])).trim();
  const encoded = 'jsonpath={.clusters[0].cluster.certificate-authority-data}';
  const ca = Buffer.from(await ok(['config', 'view', '--raw', '-o', encoded]), 'base64');
  const connection = 'exec busybox nc $KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT';
  const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
  const child = spawn('kubectl', ['exec', '-i', of, '--', 'sh', '-c', connection], { env });
  const socket = connect({
    socket: Duplex.from({ readable: child.stdout, writable: child.stdin }),
    servername: 'kubernetes.default.svc',
    ca,
  });
  await once(socket, 'secureConnect');
  const lines = [`GET ${path} HTTP/1.0`, 'host: kubernetes.default.svc', `authorization: Bearer ${token}`];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.on('error', () => undefined); // `nc` ends when the API has answered, without a word of TLS
  child.stderr.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  await once(child, 'close');
  return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')));
}

describe.skipIf(podman.kind === 'missing')(title, { timeout: 180_000 }, () => {
  beforeAll(async () => {
    giveBack = await engineTurn(socket);
    const beside = (name: string): string => join(dirname(socket), name);
    const port = Number(readFileSync(beside(REGISTRY_PORT), 'utf8'));
    registry = await openRegistry(port, beside(TOOLS_TAR), 'ann', 'sesame');
    platform = await openPlatform(join(root, 'data'), { engine: `unix://${socket}` });
    kubectl = kubectlFor(root, platform.kubeconfig);
  }, TURN_MAX_MS);
  afterAll(async () => {
    await platform?.close(0);
    registry?.close();
    giveBack?.();
  });

  it('run as containers: a Deployment, which kubectl logs, exec, top and port-forward reach', async () => {
    await ok(['apply'], DEPLOYMENT);
    await ok(['rollout', 'status', 'deployment/tools', '--timeout=60s']);
    expect(await ok(['logs', 'deploy/tools'])).toBe('hello\n');
    const script = 'echo "in $PORT$LISTEN_ADDRESS"; echo wrong >&2; exit 4';
    expect(await kubectl(['exec', 'deploy/tools', '--', 'sh', '-c', script])).toEqual({
      code: 4,
      stdout: 'in 8080\n',
      stderr: 'wrong\ncommand terminated with exit code 4\n',
    });
    const top = (): Promise<string> =>
      kubectl(['top', 'pods', '-l', 'app=tools']).then(({ stdout }) => stdout);
    await expect.poll(top, WAIT).toMatch(/^NAME .*\ntools-\S+ +\d+m +\d+Mi/);
    expect(await forwarded('deploy/tools', 8080)).toBe('ok');
    expect(await forwarded('deploy/tools', 9099)).toBe('ok'); // on the container's own loopback, and in no manifest
  });

  it('reach the platform from within: K_SINK of services and channels, names inside the cluster, and the API', async () => {
    const channel = 'apiVersion: messaging.knative.dev/v1\nkind: InMemoryChannel\nmetadata: {name: inbox}\n';
    await ok(['apply'], `${channel}---\n${HELLO}`);
    await ok(['wait', 'ksvc/hello', 'imc/inbox', '--for=condition=Ready', '--timeout=60s']);
    const url = await ok(['get', 'imc', 'inbox', '-o', 'jsonpath={.status.address.url}']);
    const sleeping = (sink: string): string =>
      `image: ${TOOLS_IMAGE}, command: [sleep, "300"], env: [{name: K_SINK, value: "${sink}"}]`;
    const inside = pod('inside-service', sleeping('http://hello.default.svc.cluster.local'));
    await ok(['apply'], `${inside}---\n${pod('inside-channel', sleeping(url))}`);
    await ok(['wait', 'pod/inside-service', 'pod/inside-channel', '--for=condition=Ready', '--timeout=60s']);
    const run = (of: string, line: string): Promise<string> =>
      ok(['exec', `inside-${of}`, '--', 'sh', '-c', line]);
    expect(await run('service', 'busybox wget -qO- $K_SINK')).toBe('Hello World!\n');
    expect(await run('service', 'busybox wget -qO- http://hello.default.svc.cluster.local')).toBe(
      'Hello World!\n',
    );
    expect(await run('service', 'busybox wget -qO- http://hello.default')).toBe('Hello World!\n');
    expect(await apiFromWithin('inside-service', '/api/v1')).toMatchObject({ kind: 'APIResourceList' });
    const headers = ['ce-id: 1', 'ce-source: /it', 'ce-type: t', 'ce-specversion: 1.0'].map(
      (each) => `--header "${each}"`,
    );
    const post = `busybox wget -SqO- ${headers.join(' ')} --post-data hello $K_SINK 2>&1`;
    expect(await run('channel', post)).toContain('202 Accepted');
  });

  it('gives a terminal of the size of the client to kubectl exec -it', async () => {
    const line =
      "stty rows 33 cols 111; kubectl exec -it deploy/tools -- sh -c 'test -t 0 && test -t 1 && echo terminal'";
    const env = { ...process.env, HOME: root, KUBECONFIG: platform.kubeconfig };
    const child = spawn('script', ['-qec', line, '/dev/null'], { env });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, printed }).toEqual({ code: 0, printed: expect.stringContaining('terminal\r\n') });
  });

  it('run to their end: Jobs, by the exit code of their containers', async () => {
    await ok(['apply'], `${job('well', 'echo all done')}---\n${job('ill', 'exit 3')}`);
    await ok(['wait', 'job/well', '--for=condition=Complete', '--timeout=60s']);
    await ok(['wait', 'job/ill', '--for=condition=Failed', '--timeout=60s']);
    expect(await ok(['logs', 'job/well'])).toBe('all done\n');
    const code = 'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}';
    expect(await ok(['get', 'pods', '-l', 'job-name=ill', '-o', code])).toBe('3');
  });

  it('are told as kubelet tells them while their image cannot be had', async () => {
    const nowhere = '127.0.0.1:1/nothing:1';
    const never = pod('never', `image: "${nowhere}", imagePullPolicy: Never`);
    await ok(['apply'], `${pod('wrong', `image: "${nowhere}"`)}---\n${never}`);
    await expect.poll(() => waitingOf('wrong'), WAIT).toContain('"reason":"ErrImagePull"');
    await expect.poll(() => waitingOf('wrong'), WAIT).toContain('"reason":"ImagePullBackOff"');
    expect(await waitingOf('wrong')).toContain(`Back-off pulling image \\"${nowhere}\\": ErrImagePull: `);
    expect(JSON.parse(await waitingOf('never'))).toEqual({
      reason: 'ErrImageNeverPull',
      message: `Container image "${nowhere}" is not present with pull policy of Never`,
    });
  });

  it('are pulled with the credentials of imagePullSecrets', async () => {
    const image = `${registry.host}/private/tools:1`;
    const auth = ['--docker-username=ann', '--docker-password=sesame', `--docker-server=${registry.host}`];
    await ok(['create', 'secret', 'docker-registry', 'pull', ...auth]);
    const command = `image: "${image}", imagePullPolicy: Always, command: [sleep, "300"]`;
    await ok(
      ['apply'],
      `${pod('outside', command)}---\n${pod('inside', command, ', imagePullSecrets: [{name: pull}]')}`,
    );
    await expect.poll(() => waitingOf('outside'), WAIT).toMatch(/ErrImagePull.*unauthorized/);
    await ok(['wait', 'pod/inside', '--for=condition=Ready', '--timeout=60s']);
    expect(await ok(['get', 'pod', 'inside', '-o', 'jsonpath={.status.containerStatuses[0].imageID}'])).toBe(
      `${registry.host}/private/tools@${registry.digest}`,
    );
  });
});
