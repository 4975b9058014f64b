import { execFile } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { BIN, millrace } from '../kit/millrace.ts';
import { CHECKOUT, codeBelow } from '../kit/page.ts';
import { openPlatform } from '../kit/platform.ts';

const PAGE = 'docs/serving/protocols.md';
const WAIT = { timeout: 20_000 };
const root = temporaryFolder('protocols');
const dataDir = join(root, 'data');
/** Answers by which protocol it was asked, as upstream's image `runtime` does; with `?sleep=MS` later, after `?begin` in two parts. */
const VERSION = folderWith('version', {
  'server.js': `
    const net = require('node:net');
    const answer = (request, response) => {
      const { searchParams } = new URL(request.url, 'http://a');
      if (searchParams.has('begin')) response.write('begun ');
      setTimeout(() => response.end('HTTP/' + request.httpVersion), Number(searchParams.get('sleep')));
    };
    const servers = { 1: require('node:http').createServer(answer), 2: require('node:http2').createServer(answer) };
    net.createServer((socket) => socket.on('error', () => {}).once('readable', () => {
      const bytes = socket.read();
      if (bytes === null) return socket.destroy();
      socket.unshift(bytes);
      servers[bytes.toString('latin1', 0, 4) === 'PRI ' ? 2 : 1].emit('connection', socket);
    })).listen(Number(process.env.PORT), '127.0.0.1');`,
});

let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
const agent = new Agent();
beforeAll(async () => {
  symlinkSync(BIN, join(root, 'millrace'));
  cpSync(join(CHECKOUT, 'examples/grpc-ping'), join(root, 'examples/grpc-ping'), { recursive: true });
  platform = await openPlatform(dataDir);
  kubectl = kubectlFor(root, platform.kubeconfig);
  const env = { MILLRACE_DATA_DIR: dataDir };
  await millrace(['push', 'version', VERSION, '--command', `${process.execPath} server.js`], env);
});
afterAll(async () => {
  await agent.destroy();
  await platform.close(0);
});

/** What a block of the page prints, run by a shell as it stands, but for the gateway's port. */
function run(block = 'exit 9'): Promise<string> {
  const env = {
    ...process.env,
    PATH: `${root}:${process.env['PATH'] ?? ''}`,
    KUBECONFIG: platform.kubeconfig,
    MILLRACE_DATA_DIR: dataDir,
    npm_config_prefer_offline: 'true',
    npm_config_audit: 'false',
  };
  const script = block.replaceAll('localhost:8080', platform.endpoints.gateway.replace('http://', ''));
  return new Promise((resolve, reject) => {
    execFile(
      'bash',
      ['-euo', 'pipefail', '-c', script],
      { env, cwd: root, timeout: 60_000 },
      (error, out, err) =>
        error === null ? resolve(out) : reject(new Error(`${error.message}\n${out}${err}`)),
    );
  });
}

async function apply(name: string, spec: object): Promise<void> {
  const object = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec } },
  };
  expect((await kubectl(['apply'], JSON.stringify(object))).stderr).toBe('');
  const { code, stderr } = await kubectl(['wait', `ksvc/${name}`, '--for=condition=Ready', '--timeout=30s']);
  expect([code, stderr]).toEqual([0, '']);
}

async function ask(name: string, path = '/'): Promise<{ code: number; text: string }> {
  const { statusCode, body } = await request(`${platform.endpoints.gateway}${path}`, {
    headers: { host: `${name}.default.localhost` },
    dispatcher: agent,
  });
  return { code: statusCode, text: await body.text() };
}

describe('the page on protocols', { timeout: 120_000 }, () => {
  const [install, call] = codeBelow(PAGE, 'gRPC', 'sh');
  const [sample] = codeBelow(PAGE, 'gRPC', 'text');

  it('runs a program of gRPC by its commands, and calls it (TestGRPCUnaryPing, TestGRPCStreamingPing)', async () => {
    await run(install);
    expect(await run(call)).toBe(sample);
  });
});

describe('what an instance is asked by', { timeout: 60_000 }, () => {
  it.each([
    ['h2c', 'HTTP/2.0'],
    ['http1', 'HTTP/1.1'],
    ['', 'HTTP/1.1'],
  ])('a port named %j is asked by %s (TestProtocols)', async (name, answer) => {
    const service = `version-${name === '' ? 'default' : name}`;
    const ports = [name === '' ? { containerPort: 8080 } : { name, containerPort: 8080 }];
    await apply(service, { containers: [{ image: 'version', ports }] });
    expect(await ask(service)).toEqual({ code: 200, text: answer });
  });

  it('with autodetect-http2 a port without a name is asked by what it speaks', async () => {
    const [patch] = codeBelow(PAGE, 'What an instance speaks', 'sh');
    expect(await run(patch)).toBe('configmap/config-features patched\n');
    await expect.poll(async () => (await ask('version-default')).text, WAIT).toBe('HTTP/2.0');
    expect((await ask('version-http1')).text).toBe('HTTP/1.1');
  });
});

describe('timeoutSeconds', { timeout: 60_000 }, () => {
  it('answers 504 when it is over before the first byte, and ends in words after it (TestRevisionTimeout)', async () => {
    await apply('slow', { timeoutSeconds: 2, containers: [{ image: 'version' }] });
    expect(await ask('slow', '/?sleep=100')).toMatchObject({ code: 200 });
    expect(await ask('slow', '/?sleep=20000')).toEqual({ code: 504, text: 'request timeout\n' });
    expect(await ask('slow', '/?begin&sleep=20000')).toEqual({ code: 200, text: 'begun request timeout' });
  });
});
