import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { kubectlFor } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { FREE_PORTS, millrace, platformStarter } from '../kit/millrace.ts';

const root = temporaryFolder('up-brokers');
const up = platformStarter();
const PASSWORD = 'a-password-of-the-test';
const NOWHERE = '127.0.0.1:1';

describe('millrace up with the address of a broker', () => {
  it('writes it to the ConfigMap that channels read; a password to a Secret, and not to the process list', async () => {
    const dataDir = join(root, 'data');
    const uri = `amqp://shop:${PASSWORD}@${NOWHERE}/orders`;
    const flags = ['--kafka', NOWHERE, '--rabbitmq', uri, '--pubsub-project', 'shop'];
    const platform = await up(dataDir, flags);
    const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    const read = async (kind: string, name: string): Promise<Record<string, string>> => {
      const { stdout } = await kubectl(['get', kind, name, '-n', 'knative-eventing', '-o', 'json']);
      return Reflect.get(Object(JSON.parse(stdout)), 'data') as Record<string, string>; // as its schema says
    };
    expect(await read('cm', 'kafka-channel-config')).toEqual({ 'bootstrap.servers': NOWHERE });
    expect(await read('cm', 'pubsub-channel-config')).toEqual({ project: 'shop' });
    const secret = { 'auth.secret.ref.name': 'rabbitmq-channel-secret' };
    expect(await read('cm', 'rabbitmq-channel-config')).toEqual(secret);
    const { uri: kept = '' } = await read('secret', 'rabbitmq-channel-secret');
    expect(Buffer.from(kept, 'base64').toString()).toBe(uri);
    expect(readFileSync(`/proc/${platform.pid}/cmdline`, 'utf8')).toMatch(/^millrace up\0*$/);
    expect(platform.stdout + platform.stderr).not.toContain(PASSWORD);
    expect(await platform.stop('SIGTERM')).toBe(0);
  });

  it('keeps what stands beside it there, and takes a new one', async () => {
    const dataDir = join(root, 'again');
    const first = await up(dataDir, ['--rabbitmq', `amqp://${NOWHERE}`]);
    await first.stop('SIGTERM');
    const second = await up(dataDir, ['--rabbitmq', `amqp://shop:${PASSWORD}@${NOWHERE}`]);
    const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    const args = ['get', 'cm', 'rabbitmq-channel-config', '-n', 'knative-eventing', '-o', 'jsonpath={.data}'];
    expect((await kubectl(args)).stdout).toBe('{"auth.secret.ref.name":"rabbitmq-channel-secret"}');
    await second.stop('SIGTERM');
  });

  it.each([
    ['--kafka', 'kafka.example', 'error[MR0014]: --kafka kafka.example is no list of HOST:PORT'],
    ['--rabbitmq', `http://shop:${PASSWORD}@host`, 'error[MR0015]: --rabbitmq is no amqp or amqps URL'],
  ])('refuses %s %s without saying a password', async (flag, value, text) => {
    const { code, stderr } = await millrace([
      'up',
      '--data-dir',
      join(root, 'bad'),
      ...FREE_PORTS,
      flag,
      value,
    ]);
    expect(code).toBe(2);
    expect(stderr).toContain(text);
    expect(stderr).not.toContain(PASSWORD);
  });
});

describe('a channel whose broker is nowhere', () => {
  it('is not ready and says why, answers 503 with Retry-After, and can be deleted', async () => {
    const dataDir = join(root, 'nowhere');
    const platform = await up(dataDir);
    const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
    const channel =
      'apiVersion: messaging.knative.dev/v1beta1\nkind: KafkaChannel\nmetadata: {name: orders}\n';
    expect(await kubectl(['apply'], channel)).toMatchObject({ code: 0 });
    const ready = async (): Promise<string> => {
      const path = 'jsonpath={.status.conditions[?(@.type=="Ready")].message}';
      return (await kubectl(['get', 'kafkachannel', 'orders', '-o', path])).stdout;
    };
    const said = 'ConfigMap knative-eventing/kafka-channel-config does not say where the broker is';
    await expect.poll(ready, { timeout: 15_000 }).toBe(said);
    const { events } = (JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as Run).endpoints;
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'e', 'ce-source': '/s', 'ce-type': 't' };
    const answer = await fetch(`${events}/channels/default/orders`, { method: 'POST', headers });
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(await answer.text()).toContain(said);
    const { code } = await kubectl(['delete', 'kafkachannel', 'orders', '--timeout=10s']);
    expect(code).toBe(0);
    expect(await platform.stop('SIGTERM')).toBe(0);
  });
});

type Run = { readonly endpoints: { readonly events: string } };
