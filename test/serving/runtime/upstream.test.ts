import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../../src/serving/runtime/process/ports.ts';
import { accepts } from '../../../src/serving/runtime/process/probes/accepts.ts';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { revisionPlan } from '../../kit/small-platform.ts';

/**
 * The same function in our runner and in faas-js-runtime 4.0.1, and the same requests to both: where contract.md marks no
 * ≠, the answers are the same.
 */
const CLI = join(import.meta.dirname, '../../../node_modules/faas-js-runtime/bin/cli.js');
const FUNCTION = `
  module.exports = { handle: (context, input) => {
    const Event = context.cloudevent?.constructor;
    return eval('(' + context.query.js + ')')({ context, input, Event });
  } };`;

let runtime: ProcessRuntime;
let upstream: ChildProcess;
const ports = { ours: 0, upstream: 0 };

beforeAll(async () => {
  const folder = folderWith('upstream', { 'index.js': FUNCTION, 'package.json': '{"name":"f"}' });
  runtime = ProcessRuntime.open({
    folder: temporaryFolder('upstream-runtime'),
    warm: 1,
    logs: { write: () => undefined },
    routes: () => [],
  });
  const { instance } = revisionPlan('f', folder, { kind: 'function', entry: 'index.js' });
  ports.ours = (await runtime.start(instance, 'f')).port;
  ports.upstream = await freePort();
  upstream = spawn(process.execPath, [CLI, '--port', String(ports.upstream), 'index.js'], {
    cwd: folder,
    stdio: 'ignore',
  });
  await vi.waitFor(async () => expect(await accepts(ports.upstream, 1000)).toBe(undefined), {
    timeout: 20_000,
  });
}, 30_000);
afterAll(async () => {
  upstream.kill('SIGKILL');
  await once(upstream, 'exit');
  await runtime.close();
});

const EVENT = {
  'ce-specversion': '1.0',
  'ce-id': 'e-1',
  'ce-source': '/s',
  'ce-type': 't',
  'ce-time': '2026-01-02T03:04:05.000Z',
  'ce-ext': 'x',
  'content-type': 'application/json',
};
const STRUCTURED = JSON.stringify({
  specversion: '1.0',
  id: '1',
  source: '/s',
  type: 't',
  time: '2026-01-02T03:04:05.000Z',
  datacontenttype: 'application/json',
  data: { a: [1, 'x'] },
});

async function both(js: string, headers: Record<string, string>, body: string | undefined, more = '') {
  const ask = async (port: number) => {
    const url = `http://127.0.0.1:${port}/?js=${encodeURIComponent(js)}${more}`;
    const method = body === undefined ? 'GET' : 'POST';
    const answer = await request(url, { method, headers, body: body ?? null });
    const told = Object.entries(answer.headers).filter(([name]) => /^(ce-|content-type$|x-)/.test(name));
    const text = await answer.body.text();
    const isEmpty = answer.statusCode === 204;
    return { code: answer.statusCode, headers: isEmpty ? {} : Object.fromEntries(told), text };
  };
  return { ours: await ask(ports.ours), upstream: await ask(ports.upstream) };
}

const RETURNED = [
  '() => undefined',
  '() => null',
  "() => ''",
  '() => 0',
  '() => false',
  "() => 'hi'",
  "() => 'häh €'",
  'async () => "later"',
  '() => ({ a: 1 })',
  '() => ({})',
  '() => [1, 2]',
  '() => ({ statusCode: 451 })',
  "() => ({ statusCode: 201, headers: { 'X-A': 'b' } })",
  "() => ({ headers: { 'content-type': 'text/html' }, body: '<p>' })",
  '() => ({ body: { a: 1 } })',
  '() => ({ statusCode: 404, body: [1] })',
  "() => ({ specversion: '1.0', id: '1', type: 't', source: 's' })",
  "() => { throw Object.assign(new Error('gone'), { code: 410 }) }",
  "async () => { throw new Error('broken') }",
];

describe('what a function returns is answered as upstream does', () => {
  const withoutType = ({ code, text }: { code: number; text: string }) => ({ code, text });

  it.each(RETURNED)('%s, to plain HTTP', async (js) => {
    const { ours, upstream: theirs } = await both(js, { 'content-type': 'application/json' }, '{}');
    // An error is text here and said to be; upstream says JSON, and it is none.
    const isError = js.includes('throw');
    expect(isError ? withoutType(ours) : ours).toEqual(isError ? withoutType(theirs) : theirs);
  });

  it.each(RETURNED.filter((js) => !js.includes('throw')))('%s, to an event', async (js) => {
    const { ours, upstream: theirs } = await both(js, EVENT, '{}');
    expect(ours).toEqual(theirs);
  });

  it.each([
    "({ Event }) => new Event({ id: 'r', time: '2026-01-02T03:04:05.000Z', source: '/r', type: 'reply', data: { ok: true } })",
    "({ Event }) => new Event({ id: 'r', time: '2026-01-02T03:04:05.000Z', source: '/r', type: 'reply', datacontenttype: 'text/plain', data: 'hi', subject: 'a' })",
    '({ input }) => input',
    "({ input }) => input.cloneWith({ type: 'again', more: 'yes' })",
  ])('%s is the same reply', async (js) => {
    const { ours, upstream: theirs } = await both(js, EVENT, '{"a":1}');
    expect(theirs.headers['ce-id']).toBeDefined();
    // The SDK writes "charset=utf-8" in one major and not in another.
    const plain = (type: unknown) => String(type).split(';')[0];
    expect({ ...ours, headers: { ...ours.headers, 'content-type': '' } }).toEqual({
      ...theirs,
      headers: { ...theirs.headers, 'content-type': '' },
    });
    expect(plain(ours.headers['content-type'])).toBe(plain(theirs.headers['content-type']));
  });

  it('cloudEventResponse builds the same event', async () => {
    const js =
      "({ context }) => context.cloudEventResponse({ ok: true }).id('r').source('/r').type('reply').version('1.0').response()";
    const { ours, upstream: theirs } = await both(js, EVENT, '{}');
    const withoutTime = (headers: Record<string, unknown>) => ({
      ...headers,
      'ce-time': '',
      'content-type': '',
    });
    expect(withoutTime(ours.headers)).toEqual(withoutTime(theirs.headers));
    expect(ours.text).toBe(theirs.text);
  });

  it('cloudEventResponse without what an event needs fails', async () => {
    const js = '({ context }) => context.cloudEventResponse(1).response()';
    const { ours, upstream: theirs } = await both(js, EVENT, '{}');
    expect([ours.code, theirs.code]).toEqual([500, 500]);
  });
});

describe('what a function is handed is what upstream hands it', () => {
  const SEEN = `({ context, input }) => {
    const { query, body, method, httpVersion, httpVersionMajor, httpVersionMinor, contentType, headers, a } = context;
    const of = (value) => Buffer.isBuffer(value) ? 'bytes ' + value : value;
    return { body: [of(input), of(body), query.a, a, method, httpVersion, httpVersionMajor, httpVersionMinor, contentType, headers['x-mine']] };
  }`;

  it.each<[string, Record<string, string>, string | undefined]>([
    ['JSON', { 'content-type': 'application/json' }, '{"a":{"b":[1]}}'],
    ['JSON with a charset', { 'content-type': 'application/json; charset=utf-8' }, '[1]'],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1&b=x+y&c=%E2%82%AC&a=2'],
    ['text', { 'content-type': 'text/plain' }, 'häh €'],
    ['other bytes', { 'content-type': 'image/png' }, 'ab'],
    ['nothing, but a query', {}, undefined],
  ])('%s', async (_, headers, body) => {
    const { ours, upstream: theirs } = await both(SEEN, { ...headers, 'x-mine': 'y' }, body, '&a=1&a=2');
    expect(theirs.code).toBe(200);
    expect(ours).toEqual(theirs);
  });

  it.each<[string, Record<string, string>, string]>([
    ['binary JSON', EVENT, '{"a":{"b":[1]}}'],
    ['binary text', { ...EVENT, 'content-type': 'text/plain' }, 'hello'],
    ['structured', { 'content-type': 'application/cloudevents+json' }, STRUCTURED],
    [
      'structured with a charset',
      { 'content-type': 'application/cloudevents+json; charset=utf-8' },
      STRUCTURED,
    ],
  ])('an event, %s', async (_, headers, body) => {
    const js = '({ input }) => ({ body: { ...input } })';
    const { ours, upstream: theirs } = await both(js, headers, body);
    expect(theirs.code).toBe(200);
    expect(JSON.parse(ours.text)).toEqual(JSON.parse(theirs.text));
  });
});
