import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { hasTerminals } from '../../src/serving/runtime/process/exec.ts';
import { kubectlFor, type Ended, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { SERVER } from '../kit/local-runtime.ts';
import { millrace } from '../kit/millrace.ts';
import { openPlatform } from '../kit/platform.ts';

const root = temporaryFolder('exec');
const dataDir = join(root, 'data');
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
let pod: string;
beforeAll(async () => {
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const image = folderWith('exec', { 'server.js': SERVER });
  const command = ['--command', 'exec node server.js'];
  expect(await millrace(['push', 'exec', image, ...command, '--data-dir', dataDir])).toMatchObject({
    code: 0,
  });
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: {
      template: {
        metadata: { annotations: { 'autoscaling.knative.dev/min-scale': '1' } },
        spec: { containers: [{ image: 'exec', env: [{ name: 'COLOR', value: 'blue' }] }] },
      },
    },
  };
  expect(await kubectl(['apply'], JSON.stringify(manifest))).toMatchObject({ code: 0 });
  expect(await kubectl(['wait', '--for=condition=Ready', '--timeout=20s', 'ksvc/web'])).toMatchObject({
    code: 0,
  });
  pod = await podName();
}, 30_000);
afterAll(() => platform.close(0));

async function podName(): Promise<string> {
  const { stdout } = await kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].metadata.name}']);
  return stdout;
}

const env = (more: object = {}): NodeJS.ProcessEnv => ({
  ...process.env,
  HOME: root,
  KUBECONFIG: platform.kubeconfig,
  ...more,
});

/** Runs kubectl with a standard input that ends. */
async function fed(args: readonly string[], input: string, more: object = {}): Promise<Ended> {
  const child = spawn('kubectl', args, { env: env(more), timeout: 20_000 });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString('latin1')));
  child.stdin.end(input);
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

describe.each([
  ['WebSockets', {}],
  ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' }],
])('kubectl exec over %s', (_, protocol) => {
  it('runs a command in the container, its two outputs apart, and ends with its exit code', async () => {
    const script = 'echo "$COLOR $K_SERVICE at $(basename "$PWD")"; echo wrong >&2; exit 7';
    const { code, stdout, stderr } = await fed(
      ['exec', pod, '-c', 'user-container', '--', 'sh', '-c', script],
      '',
      protocol,
    );
    expect({ code, stdout }).toEqual({ code: 7, stdout: expect.stringMatching(/^blue web at \S+\n$/) });
    expect(stderr).toBe('wrong\ncommand terminated with exit code 7\n');
    expect(await fed(['exec', pod, '-c', 'user-container', '--', 'true'], '', protocol)).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    });
  });

  it('shows what a Pod of one command prints, all of it, and hands on how it ended (attach)', async () => {
    const script = 'echo first; sleep 0.5; echo last; exit 3';
    const run = ['run', '-i', '--rm', '--restart=Never', '--image=exec', '--command', 'once'];
    const { code, stdout, stderr } = await fed([...run, '--', 'sh', '-c', script], '', protocol);
    expect({ code, stdout }).toEqual({ code: 3, stdout: expect.stringMatching(/^first\nlast\n/) });
    expect(stderr).toContain('spec.containers[0].stdin: not honoured here, it runs without');
  });

  it('passes its input on to the last byte, and megabytes of output', async () => {
    const input = 'x'.repeat(3 * 1024 * 1024);
    const { code, stdout } = await fed(
      ['exec', '-i', pod, '-c', 'user-container', '--', 'cat'],
      input,
      protocol,
    );
    expect({ code, length: stdout.length, isSame: stdout === input }).toEqual({
      code: 0,
      length: input.length,
      isSame: true,
    });
  });
});

describe('kubectl exec', () => {
  it.skipIf(!hasTerminals)('gives a terminal of the size of its own', async () => {
    const line = `stty rows 33 cols 111; kubectl exec -it ${pod} -c user-container -- sh -c 'test -t 0 && test -t 1 && echo terminal; sleep 0.3; stty size'`;
    const child = spawn('script', ['-qec', line, '/dev/null'], { env: env() });
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    expect({ code, printed }).toEqual({ code: 0, printed: 'terminal\r\n33 111\r\n' });
  });

  it('refuses what it cannot enter, and says why', async () => {
    const refusals: readonly (readonly [readonly string[], string])[] = [
      [[pod, '-c', 'queue-proxy', '--', 'true'], 'it stands for the gateway'],
      [[pod, '-c', 'other', '--', 'true'], 'container other is not valid for pod'],
      [['nobody', '--', 'true'], 'pods "nobody" not found'],
    ];
    for (const [args, why] of refusals) {
      const { code, stderr } = await kubectl(['exec', ...args]);
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(why) });
    }
    const raw = await kubectl(['get', '--raw', `/api/v1/namespaces/default/pods/${pod}/exec?command=id`]);
    expect(raw).toMatchObject({ code: 1, stderr: expect.stringContaining('Upgrade request required') });
    const { stdout } = await kubectl(['get', '--raw', '/api/v1']);
    expect(stdout).toContain('"name":"pods/exec"');
    expect(stdout).toContain('"kind":"PodPortForwardOptions"');
  });

  it('lets nobody in without a certificate of ours', async () => {
    const url = new URL(`${platform.endpoints.api}/api/v1/namespaces/default/pods/${pod}/exec?command=id`);
    const headers = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
    };
    const outgoing = request(url, { headers, rejectUnauthorized: false }).end();
    const [{ statusCode }] = (await once(outgoing, 'response')) as [IncomingMessage];
    expect(statusCode).toBe(401);
    outgoing.destroy();
  });
});

/** Runs `kubectl port-forward` until it is stopped. */
async function forwarding(
  ports: string,
  more: object,
): Promise<{ port: number; child: ChildProcess; said: () => string }> {
  const child = spawn('kubectl', ['port-forward', pod, ports], { env: env(more) });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await expect.poll(() => said, { timeout: 10_000 }).toMatch(/Forwarding from 127\.0\.0\.1:\d+/);
  return { port: Number(/127\.0\.0\.1:(\d+)/.exec(said)?.[1]), child, said: () => said };
}

describe.each([
  ['a WebSocket', {}],
  ['SPDY', { KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
])('kubectl port-forward over %s', (_, protocol) => {
  it('reaches the port that the manifest names, many times at once', async () => {
    const { port, child } = await forwarding(':8080', protocol);
    try {
      const answers = await Promise.all(
        Array.from({ length: 20 }, async () => (await fetch(`http://127.0.0.1:${port}/`)).text()),
      );
      expect(answers).toEqual(Array.from({ length: 20 }, () => 'ok'));
    } finally {
      child.kill();
    }
  });

  it('tells why a port cannot be reached', async () => {
    const { port, child, said } = await forwarding(':81', protocol);
    try {
      await fetch(`http://127.0.0.1:${port}/`).catch(() => undefined);
      await expect.poll(said, { timeout: 5000 }).toContain('nothing of the pod listens on 81; it listens on');
    } finally {
      child.kill();
    }
  });
});

describe('what has entered a Pod', () => {
  it('ends with it', async () => {
    const child = spawn(
      'kubectl',
      ['exec', pod, '-c', 'user-container', '--', 'sh', '-c', 'echo in; sleep 600'],
      { env: env() },
    );
    await once(child.stdout, 'data');
    const closed = once(child, 'close');
    expect(await kubectl(['delete', 'ksvc', 'web', '--wait=false'])).toMatchObject({ code: 0 });
    expect(await closed).toEqual([137, null]);
  });
});
