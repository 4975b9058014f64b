import { existsSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ApiClient, PLATFORM_API } from '../../src/cli/client.ts';
import type { CommandContext } from '../../src/cli/command.ts';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { openPlatform } from '../kit/platform.ts';
import { subscriber } from '../kit/subscribers.ts';

const root = temporaryFolder('platform');
const context: CommandContext = { args: [], env: {}, stdout: process.stdout, stderr: process.stderr };
const MESSAGING = '/apis/messaging.knative.dev/v1/namespaces/default';
const messaging = (kind: string, name: string, spec?: object): object => ({
  apiVersion: 'messaging.knative.dev/v1',
  kind,
  metadata: { name },
  ...(spec !== undefined && { spec }),
});

let platform: RunningPlatform;
let client: ApiClient;
const dataDir = join(root, 'data');
async function open(): Promise<void> {
  platform = await openPlatform(dataDir);
  client = await ApiClient.open(context, dataDir);
}
beforeAll(open);
afterAll(() => platform.close(0));

const isReady = async (path: string): Promise<string> =>
  JSON.stringify(Reflect.get(Object(await client.get<object>(`${MESSAGING}/${path}`)), 'status') ?? {});

function publish(channel: string, id: string): Promise<Response> {
  return fetch(`${platform.endpoints.events}/channels/default/${channel}`, {
    method: 'POST',
    headers: { 'ce-specversion': '1.0', 'ce-id': id, 'ce-source': '/s', 'ce-type': 't<script>' },
  });
}

function dashboard(path: string, host?: string): Promise<{ code: number; text: string; csp: unknown }> {
  return new Promise((resolve, reject) => {
    const headers = host === undefined ? {} : { host };
    httpRequest(`${platform.endpoints.dashboard}${path}`, { headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () =>
        resolve({
          code: response.statusCode ?? 0,
          text,
          csp: response.headers['content-security-policy'],
        }),
      );
    })
      .on('error', reject)
      .end();
  });
}

/** 0: nobody listened, or the connection was cut. */
function statusOf(port: number, path: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { 'ce-specversion': '1.0', 'ce-id': 'early', 'ce-source': '/s', 'ce-type': 't' };
    httpRequest({ host: '127.0.0.1', port, path, method: 'POST', headers, agent: false }, (response) => {
      response.resume().on('close', () => resolve(response.statusCode ?? 0));
    })
      .on('error', () => resolve(0))
      .end();
  });
}

describe('a platform', { timeout: 30_000 }, () => {
  it('goes on with what it owes after it was stopped', async () => {
    let isUp = false;
    const patient = await subscriber((response) => response.writeHead(isUp ? 204 : 503).end());
    onTestFinished(() => patient.close());
    await client.post(`${MESSAGING}/channels`, messaging('Channel', 'orders'));
    await client.post(
      `${MESSAGING}/subscriptions`,
      messaging('Subscription', 'patient', {
        channel: { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'orders' },
        subscriber: { uri: patient.url },
        delivery: { retry: 1000, backoffPolicy: 'linear', backoffDelay: 'PT0.1S' },
      }),
    );
    await expect
      .poll(() => isReady('subscriptions/patient'), { timeout: 5000 })
      .toMatch(/"type":"Ready"[^}]*"status":"True"|"status":"True"[^}]*"type":"Ready"/);
    expect((await publish('orders', 'e-1')).status).toBe(202);
    await expect.poll(() => patient.requests.length).toBeGreaterThan(0);
    await platform.close();
    expect(existsSync(join(dataDir, 'run.json'))).toBe(false);
    const before = patient.requests.length;
    isUp = true;
    await open();
    await expect.poll(() => patient.requests.length, { timeout: 5000 }).toBeGreaterThan(before);
    expect(patient.requests.at(-1)?.headers['ce-id']).toBe('e-1');
    const owed = async (): Promise<unknown> =>
      (await client.get<{ subscriptions: unknown }>(`${PLATFORM_API}/status`)).subscriptions;
    await expect.poll(owed).toEqual([expect.objectContaining({ events: 0, dead: 0 })]);
    const { items } = await client.get<{ items: { signal: string }[] }>(`${PLATFORM_API}/journal?event=e-1`);
    expect(items.map(({ signal }) => signal)).toContain('channel.accepted'); // said before the stop
  });

  it('says of no channel that it is not there, while it starts', async () => {
    const port = Number(new URL(platform.endpoints.events).port);
    const answers = new Set<number>();
    await client.post(`${MESSAGING}/channels`, messaging('Channel', 'kept'));
    await expect.poll(() => isReady('channels/kept')).toContain('"True"');
    await platform.close();
    let isAsking = true;
    const asking = (async () => {
      while (isAsking) answers.add(await statusOf(port, '/channels/default/kept'));
    })();
    platform = await openPlatform(dataDir, { events: { host: '127.0.0.1', port } });
    await expect.poll(() => answers).toContain(202);
    isAsking = false;
    await asking;
    client = await ApiClient.open(context, dataDir);
    expect([...answers].filter((status) => ![0, 202, 503].includes(status))).toEqual([]);
  });

  it('shows what senders chose as text on its page, and lets no other site read it', async () => {
    await publish('orders', 'e-2');
    const page = await dashboard('/');
    expect(page).toMatchObject({ code: 200, csp: expect.stringContaining("default-src 'none'") });
    expect(page.text).toContain('t&#60;script&#62;');
    expect(page.text).not.toContain('<script');
    expect((await dashboard('/', 'evil.example')).code).not.toBe(200);
  });

  it('tells metrics of its channels and what they owe', async () => {
    const { text } = await dashboard('/metrics');
    expect(text).toMatch(/^millrace_channel_accepted_total\{channel="LogChannel\/default\/orders"\} \d+$/m);
    expect(text).toMatch(
      /^millrace_backlog_events\{channel="LogChannel\/default\/orders",subscription="\S+"\} \d+$/m,
    );
    expect(text.endsWith('\n')).toBe(true);
  });

  it('says what is wrong with a request to its own API', async () => {
    const refused = (answer: Promise<unknown>): Promise<string> =>
      answer.then(
        () => 'taken',
        (error: unknown) => (error as Error).message,
      );
    expect(await refused(client.get(`${PLATFORM_API}/nothing`))).toContain('has no GET nothing');
    expect(await refused(client.post(`${PLATFORM_API}/backup`, { folder: 'here' }))).toContain(
      'absolute path',
    );
    expect(await refused(client.post(`${PLATFORM_API}/backup`, { folder: dataDir }))).toContain(
      'is the data folder of a platform',
    );
    expect(await refused(client.post(`${PLATFORM_API}/images`, { image: 'x' }))).toContain(
      'path are required',
    );
    expect(await refused(client.post(`${PLATFORM_API}/images`, { image: 'x', path: root }))).not.toBe(
      'taken',
    );
  });

  it('undoes what it began when a port is taken, so that it can start on the same folder', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const taken = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
    const folder = join(root, 'again');
    for (const name of ['events', 'gateway', 'api', 'dashboard'])
      await expect(openPlatform(folder, { [name]: taken })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
    const second = await openPlatform(folder);
    await second.close();
    await second.close(); // twice is as good as once
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });
});
