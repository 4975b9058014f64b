import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RunFile } from '../../src/cli/client.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, Running, runFileOf, platformStarter } from '../kit/millrace.ts';

const root = temporaryFolder('commands');
const up = platformStarter();
const dataDir = join(root, 'data');
const code = folderWith('greeter', {
  'index.js':
    "exports.handle = (context, event) => { console.log('got', event.type);\n" +
    "  return context.cloudEventResponse({ hello: event.data?.name ?? 'you' }).type('greeting').source('/greeter').response(); };\n",
  'package.json': '{"name":"greeter","main":"index.js"}',
});
const ref = (group: string, kind: string, name: string): string =>
  `{ref: {apiVersion: ${group}/v1, kind: ${kind}, name: ${name}}}`;
const channel = (name: string): string =>
  `apiVersion: messaging.knative.dev/v1\nkind: Channel\nmetadata: {name: ${name}}\n---\n`;
const subscription = (name: string, from: string, rest: string): string =>
  `apiVersion: messaging.knative.dev/v1\nkind: Subscription\nmetadata: {name: ${name}}\n` +
  `spec:\n  channel: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: ${from}}\n${rest}\n---\n`;
const WORLD =
  channel('orders') +
  channel('greetings') +
  channel('dead-end') +
  `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: greeter}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: '0'}}
    spec: {containers: [{image: greeter}]}
---
` +
  subscription(
    'to-greeter',
    'orders',
    `  subscriber: ${ref('serving.knative.dev', 'Service', 'greeter')}\n  reply: ${ref('messaging.knative.dev', 'Channel', 'greetings')}`,
  ) +
  subscription(
    'to-nobody',
    'dead-end',
    "  subscriber: {uri: 'http://127.0.0.1:1/'}\n  delivery: {retry: 1, backoffPolicy: linear, backoffDelay: PT0.01S}",
  );

let run: RunFile;
let platform: Running;
let kubectl: TestApi['kubectl'];
const cli = (...args: readonly string[]): ReturnType<typeof millrace> =>
  millrace([...args, '--data-dir', dataDir]);

async function ok(...args: readonly string[]): Promise<string> {
  const { code: exit, stdout, stderr } = await cli(...args);
  expect({ args, exit, stderr }).toEqual({ args, exit: 0, stderr: '' });
  return stdout;
}

beforeAll(async () => {
  platform = await up(dataDir);
  run = runFileOf(dataDir);
  kubectl = kubectlFor(root, run.kubeconfig);
});

/** In the order of a first day: each step stands on those before it. */
describe('millrace on a running platform', { timeout: 40_000 }, () => {
  it('pushes a function, and lists what the store holds', async () => {
    const pushed = await ok('push', 'greeter', code);
    expect(pushed).toMatch(/^docker\.io\/library\/greeter:latest@sha256:[0-9a-f]{64}\n$/);
    const listed = await ok('images');
    expect(listed.startsWith(pushed)).toBe(true);
    expect(listed).toMatch(
      /\nghcr\.io\/knative\/helloworld-go:latest@sha256:\S+ \(ours: does as Knative’s\)\n/,
    );
    const [image] = JSON.parse(await ok('images', '-o', 'json')) as { digest: string }[];
    expect(pushed).toContain(image?.digest);
  });

  it('delivers an event to a function at zero, and traces the way of it and of its reply', async () => {
    expect(await kubectl(['apply'], WORLD)).toMatchObject({ code: 0 });
    const all =
      'ksvc/greeter,channel/orders,channel/greetings,subscription/to-greeter,subscription/to-nobody';
    const waited = await kubectl(['wait', '--for=condition=Ready', '--timeout=15s', ...all.split(',')]);
    expect(waited).toMatchObject({ code: 0 });

    const sent = await ok(
      'send',
      'channel/orders',
      '--type',
      'order.paid',
      '--id',
      'e-1',
      '--data',
      '{"name":"Ann"}',
    );
    expect(sent).toMatch(/^e-1 202/);
    const traced = (): Promise<string> => cli('trace', 'e-1').then(({ stdout }) => stdout);
    await expect.poll(traced, { timeout: 15_000 }).toMatch(/reply \S+ \(greeting\) went to http/);
    const lines = (await traced()).split('\n');
    const line = (pattern: RegExp): string => lines.find((each) => pattern.test(each)) ?? `no ${pattern}`;
    expect(lines[0]).toBe('event e-1');
    expect(line(/accepted/)).toMatch(
      /^ +\+0 ms {2}accepted by LogChannel\/default\/orders as number 1, \d+ bytes, durable after \d+ ms$/,
    );
    expect(line(/kept for/)).toMatch(/^ +kept for default\/to-greeter$/);
    expect(line(/attempt 1 to http:\/\/greeter/)).toMatch(
      /default\/to-greeter attempt 1 to http:\/\/greeter\.default\.svc\.cluster\.local\/?: delivered 200 in \d+ ms, then reply$/,
    );
    expect(line(/revision/)).toMatch(
      /revision default\/greeter-00001, instance \S+, answered 200 in \d+ ms$/,
    );
    expect(line(/woken/)).toMatch(
      /woken from zero: asked for after \d+ ms, (?:taken from the pool|spawned) after \d+ ms, loaded after \d+ ms, ready after \d+ ms, first byte after [1-9]\d* ms$/,
    );
    const records = JSON.parse(await ok('trace', 'e-1', '-o', 'json')) as { signal: string }[];
    expect(records.map(({ signal }) => signal)).toContain('channel.accepted');
  });

  it('sends to a service and to a URL, many with a rate, and says what was not taken', async () => {
    expect(await ok('send', 'service/greeter', '--type', 't', '--id', 's-1')).toMatch(
      /^s-1 200 \{"hello":"you"\}\n$/,
    );
    const url = `${run.endpoints.events}/channels/default/greetings`;
    const many = await ok(
      'send',
      url,
      '--type',
      't',
      '--id',
      'm',
      '--count',
      '3',
      '--rate',
      '100/s',
      '-o',
      'json',
    );
    const answers = many
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: string; code: number });
    expect(answers.map(({ id, code: status }) => `${id} ${status}`)).toEqual(['m 202', 'm-1 202', 'm-2 202']);
    expect(await cli('send', 'channel/none', '--type', 't')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/ 404 /),
    });
  });

  it('shows a dead letter with its reason, in the list, alone and in the trace', async () => {
    await ok(
      'send',
      'channel/dead-end',
      '--type',
      'lost',
      '--id',
      'd-1',
      '--data',
      '{"a":1}',
      '--ext',
      'team=red',
    );
    await expect
      .poll(() => ok('dead-letters', 'list'), { timeout: 10_000 })
      .toMatch(
        /^\S+Z {2}d-1 {2}lost {2}LogChannel\/default\/dead-end {2}500 {2}connection refused, attempt 2 of 2\n/,
      );
    const shown = await ok('dead-letters', 'show', 'd-1');
    const facts = {
      id: 'd-1',
      team: 'red',
      attempts: '2',
      destination: 'http://127.0.0.1:1/',
      data: '{"a":1}',
    };
    for (const [name, value] of Object.entries(facts))
      expect(shown).toMatch(new RegExp(`^${name} +${value}$`, 'm'));
    const trace = await ok('trace', 'd-1');
    expect(trace).toMatch(/default\/to-nobody attempt 1 to .*unreachable .*, again in \d+ ms/);
    expect(trace).toContain('in the dead-letter store for default/to-nobody');
    const [letter] = JSON.parse(await ok('dead-letters', 'list', '-o', 'json')) as { event: object }[];
    expect(letter?.event).toMatchObject({ id: 'd-1', team: 'red' });
    expect(await cli('dead-letters', 'show', 'nope')).toMatchObject({ code: 3, stdout: '' });
  });

  it('says of each subscription of the channel that has not got an event why not', async () => {
    const none = "  subscriber: {uri: 'http://127.0.0.1:1/'}";
    const nowhere = `  subscriber: ${ref('serving.knative.dev', 'Service', 'nowhere')}`;
    const world =
      channel('side') + subscription('broken', 'side', nowhere) + subscription('short', 'side', none);
    expect(await kubectl(['apply'], world)).toMatchObject({ code: 0 });
    const waited = ['wait', '--for=condition=Ready', '--timeout=15s', 'channel/side', 'subscription/short'];
    expect(await kubectl(waited)).toMatchObject({ code: 0 });
    await ok('send', 'channel/side', '--type', 't', '--id', 'p-1');
    expect(await kubectl(['delete', 'subscription', 'short'])).toMatchObject({ code: 0 });
    await ok('send', 'channel/side', '--type', 't', '--id', 'p-2');
    await expect.poll(() => Date.now() % 1000, { timeout: 2000, interval: 20 }).toBeLessThan(100); // objects tell whole seconds
    expect(await kubectl(['apply'], subscription('late', 'side', none))).toMatchObject({ code: 0 });

    const first = await ok('trace', 'p-1');
    expect(first).toMatch(/ kept for default\/short$/m);
    expect(first).toMatch(
      / default\/short was deleted since, at \S+Z; what it was still owed was given up$/m,
    );
    const second = await ok('trace', 'p-2');
    expect(second).toMatch(/ kept for no subscription; nobody gets it$/m);
    expect(second).toMatch(
      / not kept for default\/broken: not ready: Failed to resolve spec.subscriber: .*nowhere/m,
    );
    expect(second).toMatch(/ not kept for default\/late: made later, at \S+Z/m);
    expect(second).toMatch(/ not kept for default\/short: deleted before, at \S+Z$/m);
    const records = JSON.parse(await ok('trace', 'p-2', '-o', 'json')) as object[];
    expect(records).toContainEqual(
      expect.objectContaining({
        signal: 'subscription.passedOver',
        channel: 'LogChannel/default/side',
        subscription: 'default/late',
        reason: 'MadeLater',
      }),
    );
  });

  it('tells its status as text and as JSON, with what each subscription is owed', async () => {
    const status = JSON.parse(await ok('status', '-o', 'json')) as Record<string, unknown>;
    expect(Object.keys(status).toSorted()).toEqual([
      'away',
      'dataDir',
      'endpoints',
      'instances',
      'kubeconfig',
      'memoryBytes',
      'notReady',
      'pid',
      'ready',
      'subscriptions',
      'version',
    ]);
    expect(status).toMatchObject({ ...run, pid: platform.pid, ready: true });
    expect(status['subscriptions']).toContainEqual(
      expect.objectContaining({ channel: 'LogChannel/default/dead-end', events: 0, dead: 1 }),
    );
    const text = await ok('status');
    expect(text).toMatch(
      /^ {2}not ready: Subscription default\/broken: Failed to resolve spec\.subscriber: /m,
    );
    expect(text).toMatch(new RegExp(`^Millrace ${run.version}, pid ${platform.pid}, ready\n`));
    expect(text).toContain(`export KUBECONFIG=${run.kubeconfig}`);
    expect(text).toMatch(/LogChannel\/default\/dead-end → default\/to-nobody: 0 owed, 0 in retry, 1 dead/);
  });

  it('follows events as they happen, those asked for only, until Ctrl-C', async () => {
    const tail = new Running(['tail', 'channel/orders', '--type', 'wanted', '--data-dir', dataDir]);
    let n = 0;
    const seen = async (): Promise<string> => {
      await ok('send', 'channel/orders', '--type', 'unwanted', '--id', `u-${n}`);
      await ok('send', 'channel/orders', '--type', 'wanted', '--id', `w-${(n += 1)}`);
      return tail.stdout;
    };
    await expect
      .poll(seen, { timeout: 15_000 })
      .toMatch(/^[\d:.]{12} w-\d+ accepted by LogChannel\/default\/orders/m);
    expect(tail.stdout).not.toContain('u-');
    expect(await tail.stop('SIGINT')).toBe(0);
    expect(tail.stderr).toBe('');
  });

  it('works by KUBECONFIG alone, and names what only works beside the platform', async () => {
    const env = { HOME: root, KUBECONFIG: run.kubeconfig };
    expect((await millrace(['images'], env)).code).toBe(0);
    const sent = await millrace(['send', 'channel/orders', '--type', 't'], env);
    expect(sent).toMatchObject({ code: 3, stderr: expect.stringContaining('error[MR0046]') });
  });

  it('rolls a new push out only when asked to', async () => {
    const image = [
      'push',
      'greeter',
      folderWith('greeter-2', { 'index.js': 'exports.handle = () => "second";' }),
    ];
    expect(await ok(...image)).toMatch(/\nService default\/greeter uses this name and still runs/);
    expect(await ok('send', 'service/greeter', '--type', 't')).toContain('{"hello":"you"}');
    expect(await ok(...image, '--roll-out')).toMatch(/\nService default\/greeter rolled out\n$/);
    await expect
      .poll(() => ok('send', 'service/greeter', '--type', 't'), { timeout: 15_000 })
      .toContain(' 200 second');
  });

  it.each([
    [2, 'MR0030', ['push', 'greeter']],
    [3, 'MR0031', ['push', 'greeter', '/no/such/path']],
    [2, 'MR0040', ['send']],
    [2, 'MR0041', ['send', 'channel/orders']],
    [2, 'MR0042', ['send', 'channel/orders', '--type', 't', '--ext', 'Bad']],
    [2, 'MR0043', ['send', 'channel/orders', '--type', 't', '--data', '{']],
    [3, 'MR0044', ['send', 'channel/orders', '--type', 't', '--data-file', '/no/such/file']],
    [2, 'MR0045', ['send', 'queue/orders', '--type', 't']],
    [2, 'MR0006', ['send', 'channel/orders', '--type', 't', '--count', 'many']],
    [3, 'MR0011', ['send', 'githubsource/none', '--event', 'push']],
    [1, 'MR0049', ['send', 'http://127.0.0.1:1/', '--type', 't']],
    [2, 'MR0050', ['trace']],
    [3, 'MR0051', ['trace', 'no-such-event']],
    [2, 'MR0052', ['tail', 'ksvc/x']],
    [2, 'MR0053', ['dead-letters', 'show']],
    [2, 'MR0055', ['backup']],
    [2, 'MR0004', ['status', '-o', 'yaml']],
    [2, 'MR0009', ['status', 'now']],
  ] as const)('exits %i with %s on: %j', async (exit, error, args) => {
    const ended = await cli(...args);
    expect(ended).toMatchObject({ code: exit, stdout: '' });
    expect(ended.stderr).toMatch(new RegExp(`^error\\[${error}\\]: .+\n`));
  });

  it('backs up what runs; up on the copy has the objects, the dead letters and what is owed', async () => {
    expect(await kubectl(['delete', 'subscription', 'to-nobody'])).toMatchObject({ code: 0 });
    const patient = subscription(
      'patient',
      'dead-end',
      "  subscriber: {uri: 'http://127.0.0.1:1/'}\n  delivery: {retry: 100, backoffPolicy: linear, backoffDelay: PT30S}",
    );
    expect(await kubectl(['apply'], patient)).toMatchObject({ code: 0 });
    await kubectl(['wait', '--for=condition=Ready', '--timeout=15s', 'subscription/patient']);
    await ok('send', 'channel/dead-end', '--type', 't', '--id', 'owed-1');
    const copy = join(root, 'copy');
    expect(await ok('backup', copy)).toBe(`${copy}\n`);
    expect(await platform.stop('SIGTERM')).toBe(0);

    await up(copy);
    const { subscriptions } = JSON.parse(
      (await millrace(['status', '--data-dir', copy, '-o', 'json'])).stdout,
    ) as {
      subscriptions: object[];
    };
    expect(subscriptions).toContainEqual(
      expect.objectContaining({ channel: 'LogChannel/default/dead-end', events: 1 }),
    );
    const copied = kubectlFor(copy, runFileOf(copy).kubeconfig);
    expect((await copied(['get', 'ksvc,ch', '-o', 'name'])).stdout).toBe(
      'service.serving.knative.dev/greeter\n' +
        ['dead-end', 'greetings', 'orders', 'side']
          .map((name) => `channel.messaging.knative.dev/${name}\n`)
          .join(''),
    );
    expect((await millrace(['trace', 'owed-1', '--data-dir', copy])).stdout).toContain(
      'kept for default/patient',
    );
  });
});
