import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  status,
  type ChannelCredentials,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
  type ClientWritableStream,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterEach, describe, expect, it } from 'vitest';
import type { RevisionPlan, ScalePlan } from '../../../src/serving/plan.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { CHECKOUT } from '../../kit/page.ts';
import { openSmallPlatform, type SmallPlatform } from '../../kit/small-platform.ts';

/** Real programs that serve gRPC, and a real client of it (serving test/e2e/grpc_test.go). */
const EXAMPLE = join(CHECKOUT, 'examples/grpc-ping');
const REVISION = 'demo/ping-00001';

type Message = { readonly msg: string };
type Answer = Message & { readonly instance: string };
type Answered = (error: ServiceError | null, answer: Answer) => void;
/** The client that the library makes of ping.proto. */
type PingClient = {
  Ping(message: Message, options: { deadline?: number }, answered: Answered): ClientUnaryCall;
  Collect(answered: Answered): ClientWritableStream<Message>;
  Count(message: Message): ClientReadableStream<Answer>;
  PingStream(): ClientDuplexStream<Message, Answer>;
  close(): void;
};

type PingClientClass = new (address: string, as: ChannelCredentials, options: object) => PingClient;

let platform: SmallPlatform;
let printed = '';
const clients: PingClient[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await platform.close();
});

async function open(plan: Partial<RevisionPlan> = {}, scale: Partial<ScalePlan> = {}): Promise<PingClient> {
  printed = '';
  platform = await openSmallPlatform({
    folder: temporaryFolder('grpc'),
    warm: 0,
    channels: {},
    logs: { write: (_id, _stream, chunk) => (printed += chunk.toString()) },
    services: {
      ping: {
        directory: EXAMPLE,
        launch: { kind: 'program', command: [process.execPath, 'server.js'] },
        plan: { protocol: 'h2c', ...plan },
        scale,
      },
    },
  });
  return connected();
}

function connected(host = 'ping.demo.svc.cluster.local'): PingClient {
  const packages = loadPackageDefinition(loadSync(join(EXAMPLE, 'ping.proto')));
  const { PingService: Client } = packages['ping'] as unknown as { PingService: PingClientClass };
  const address = new URL(platform.eventsUrl).host;
  const options = { 'grpc.default_authority': host, 'grpc.use_local_subchannel_pool': 1 };
  const client = new Client(address, credentials.createInsecure(), options);
  clients.push(client);
  return client;
}

function ping(client: PingClient, msg: string, deadlineMs?: number): Promise<Answer> {
  const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
  return new Promise((resolve, reject) => {
    client.Ping({ msg }, options, (error, answer) => (error === null ? resolve(answer) : reject(error)));
  });
}

const failed = (code: status): unknown => expect.objectContaining({ code });
const inFlight = (): number => platform.serving.countsOf(REVISION).inFlight;

describe('gRPC', () => {
  it('calls a service at zero, one message each way', async () => {
    const client = await open();
    expect(await ping(client, 'Hello!')).toMatchObject({ msg: 'Hello!' });
    expect(inFlight()).toBe(0);
  });

  it('streams to a service at zero, from it, and both ways at once', async () => {
    const client = await open();
    const collected = new Promise<Answer>((resolve, reject) => {
      const sent = client.Collect((error, answer) => (error === null ? resolve(answer) : reject(error)));
      for (const msg of ['one', 'two', 'three']) sent.write({ msg });
      sent.end();
    });
    expect((await collected).msg).toBe('one two three');
    const counted: string[] = [];
    for await (const { msg } of client.Count({ msg: 'abc' }) as AsyncIterable<Answer>) counted.push(msg);
    expect(counted).toEqual(['a', 'b', 'c']);
    const stream = client.PingStream();
    const heard: string[] = [];
    stream.on('data', ({ msg }: Answer) => heard.push(msg));
    const ended = new Promise((resolve) => stream.on('status', resolve));
    for (const [i, msg] of ['one', 'two', 'three'].entries()) {
      stream.write({ msg });
      await expect.poll(() => heard.length).toBe(i + 1); // before the next is sent
    }
    stream.end();
    expect(await ended).toMatchObject({ code: status.OK });
    expect(heard).toEqual(['one', 'two', 'three']);
  });

  it('an instance’s own status reaches the client', async () => {
    const client = await open();
    await expect(ping(client, 'fail')).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      details: 'as you wished',
    });
  });

  it('a client’s deadline and its change of mind reach the instance', async () => {
    const client = await open();
    await ping(client, 'awake');
    await expect(ping(client, 'hang', 200)).rejects.toEqual(failed(status.DEADLINE_EXCEEDED));
    await expect.poll(() => printed).toContain('cancelled');
    printed = '';
    const stream = client.PingStream();
    stream.on('error', () => undefined);
    stream.write({ msg: 'one' });
    await expect.poll(inFlight).toBe(1);
    stream.cancel();
    await expect.poll(() => printed).toContain('cancelled');
    await expect.poll(inFlight).toBe(0);
  });

  it('what is refused here is Unavailable there, and no service is Unimplemented', async () => {
    const client = await open();
    await ping(client, 'awake');
    const plan = platform.serving.poolOf(REVISION)?.plan;
    if (plan !== undefined) platform.serving.setRevision({ ...plan, timeoutMs: 300 });
    await expect(ping(client, 'hang')).rejects.toEqual(failed(status.UNAVAILABLE)); // 504
    await platform.serving.removeRevision(REVISION);
    await expect(ping(client, 'gone')).rejects.toEqual(failed(status.UNAVAILABLE)); // 503
    await expect(ping(connected('nobody.demo'), 'x')).rejects.toEqual(failed(status.UNIMPLEMENTED)); // 404
  });

  it('streams held open by one client are spread over instances, each with no more than it takes', async () => {
    const client = await open({ containerConcurrency: 2 }, { maxScale: 3 });
    const streams = Array.from({ length: 6 }, () => client.PingStream());
    const instances = streams.map(async (stream) => {
      stream.write({ msg: 'x' });
      const answer = await new Promise<Answer>((resolve) => stream.once('data', resolve));
      return answer.instance;
    });
    const by = Map.groupBy(await Promise.all(instances), (instance) => instance);
    expect([...by.values()].map((each) => each.length)).toEqual([2, 2, 2]);
    const ended = streams.map((stream) => new Promise((resolve) => stream.once('end', resolve)));
    for (const stream of streams) stream.end();
    await Promise.all(ended);
    await expect.poll(inFlight).toBe(0);
  });
});
