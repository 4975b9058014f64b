import { request, type Dispatcher } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ProcessRuntime } from '../../../src/serving/runtime/process/process-runtime.ts';
import type { Instance } from '../../../src/serving/runtime/runtime.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { revisionPlan, withContainer } from '../../kit/small-platform.ts';

let runtime: ProcessRuntime;
let last = 0;
beforeAll(() => {
  runtime = ProcessRuntime.open({
    folder: temporaryFolder('contract'),
    warm: 2,
    logs: { write: () => undefined },
    routes: () => [],
  });
});
afterAll(() => runtime.close());

function start(
  files: Record<string, string>,
  entry = 'index.mjs',
  env: Record<string, string> = {},
): Promise<Instance> {
  const { instance } = revisionPlan('f', folderWith('function', files), { kind: 'function', entry });
  return runtime.start(withContainer(instance, { env }), `f-${(last += 1)}`);
}

const EVENT = {
  'ce-specversion': '1.0',
  'ce-id': 'e-1',
  'ce-source': '/s',
  'ce-type': 't',
  'content-type': 'application/json',
};

async function post(
  { port }: Instance,
  body: string | undefined,
  headers: Record<string, string> = {},
  path = '/',
  method: Dispatcher.HttpMethod = 'POST',
) {
  const answer = await request(`http://127.0.0.1:${port}${path}`, { method, headers, body: body ?? null });
  return {
    code: answer.statusCode,
    type: answer.headers['content-type'],
    headers: answer.headers,
    text: await answer.body.text(),
  };
}

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json; charset=utf-8';

describe('what a function returns', () => {
  let instance: Instance;
  beforeAll(async () => {
    instance = await start({
      'index.mjs': `
        import { CloudEvent, HTTP } from 'cloudevents';
        const event = () => new CloudEvent({ id: 'r', source: '/r', type: 'reply', data: { ok: true }, subject: 'Euro €' });
        export const handle = (context, event_) => eval('(' + context.query.js + ')')({ context, event: event_, CloudEvent, HTTP, makeEvent: event });`,
    });
  });

  it.each<[string, number, string | undefined, string]>([
    ['() => undefined', 204, undefined, ''],
    ['() => null', 204, undefined, ''],
    ["() => ''", 204, undefined, ''],
    ['() => 0', 204, undefined, ''],
    ['() => false', 204, undefined, ''],
    ["() => 'hi'", 200, TEXT, 'hi'],
    ['() => ({ a: 1 })', 200, JSON_TYPE, '{"a":1}'],
    ['() => [1, 2]', 200, JSON_TYPE, '[1,2]'],
    ['() => 7', 200, JSON_TYPE, '7'],
    ['() => true', 200, JSON_TYPE, 'true'],
    ['() => ({ statusCode: 451 })', 451, JSON_TYPE, '{"statusCode":451}'],
    ["() => Buffer.from('ab')", 200, 'application/octet-stream', 'ab'],
    ["() => ({ statusCode: 201, headers: { 'x-a': 'b' }, body: 'made' })", 201, TEXT, 'made'],
    ['() => ({ body: { a: 1 } })', 200, JSON_TYPE, '{"a":1}'],
    ["() => ({ headers: { 'Content-Type': 'text/html' }, body: '<p>' })", 200, 'text/html', '<p>'],
    ["() => ({ headers: { 'Content-Length': '99', 'X-A': 1 }, body: 'ab' })", 200, TEXT, 'ab'],
    ['() => ({ statusCode: "202", body: Buffer.from("ab") })', 202, 'application/octet-stream', 'ab'],
    ['() => ({ statusCode: 304 })', 304, JSON_TYPE, ''],
    ['() => ({ statusCode: 99 })', 500, TEXT, 'the function returned statusCode 99, which is no HTTP status'],
    ['() => 1n', 500, TEXT, 'Do not know how to serialize a BigInt'],
    [
      "() => ({ headers: { 'x-a': 'b\\nc' }, body: 'ab' })",
      500,
      TEXT,
      'Invalid character in header content ["x-a"]',
    ],
    ['() => { throw "just text" }', 500, TEXT, 'just text'],
    ['() => { throw { code: 404, message: "plain" } }', 404, TEXT, 'plain'],
    ['() => Promise.reject(null)', 500, TEXT, 'null'],
    ['async () => "later"', 200, TEXT, 'later'],
    ["() => { throw new Error('broken') }", 500, TEXT, 'broken'],
    ["() => { throw Object.assign(new Error('gone'), { code: 410 }) }", 410, TEXT, 'gone'],
    ["() => { throw Object.assign(new Error('odd'), { statusCode: 422 }) }", 422, TEXT, 'odd'],
    ["() => { throw Object.assign(new Error('no'), { code: 'ENOENT' }) }", 500, TEXT, 'no'],
    [
      "() => ({ specversion: '1.0', id: '1', type: 't', source: 's' })",
      200,
      JSON_TYPE,
      '{"specversion":"1.0","id":"1","type":"t","source":"s"}',
    ],
  ])('%s is answered by %d', async (js, code, type, text) => {
    const answer = await post(instance, undefined, {}, `/?js=${encodeURIComponent(js)}`);
    expect({ code: answer.code, type: answer.type, text: answer.text }).toEqual({ code, type, text });
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('a CloudEvent, while an event is answered, is a reply in binary mode, its attributes encoded', async () => {
    const js = encodeURIComponent('({ makeEvent }) => makeEvent()');
    const answer = await post(instance, '{}', EVENT, `/?js=${js}`);
    expect(answer).toMatchObject({ code: 200, text: '{"ok":true}' });
    expect(answer.headers).toMatchObject({
      'ce-id': 'r',
      'ce-type': 'reply',
      'ce-subject': 'Euro%20%E2%82%AC',
    });
  });

  it('a CloudEvent, while plain HTTP is answered, is its JSON', async () => {
    const answer = await post(
      instance,
      undefined,
      {},
      `/?js=${encodeURIComponent('({ makeEvent }) => makeEvent()')}`,
    );
    expect(JSON.parse(answer.text)).toMatchObject({ id: 'r', data: { ok: true } });
  });

  it.each([
    '({ HTTP, makeEvent }) => HTTP.binary(makeEvent())',
    "({ context }) => context.cloudEventResponse({ ok: true }).id('r').source('/r').type('reply').version('1.0').response()",
  ])('%s is a reply', async (js) => {
    const answer = await post(instance, '{}', EVENT, `/?js=${encodeURIComponent(js)}`);
    expect(answer.headers).toMatchObject({ 'ce-id': 'r', 'ce-source': '/r', 'ce-type': 'reply' });
    expect(JSON.parse(answer.text)).toEqual({ ok: true });
  });

  it.each<[string, Record<string, string>, string | undefined, unknown]>([
    ['JSON', { 'content-type': 'application/json' }, '{"a":1}', { a: 1 }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }, 'a=1&b=x+y', { a: '1', b: 'x y' }],
    ['text', { 'content-type': 'text/plain' }, 'hello', 'hello'],
    ['other bytes', { 'content-type': 'image/png' }, 'ab', { type: 'Buffer', data: [97, 98] }],
    ['nothing', {}, undefined, null],
  ])('reads %s', async (_, headers, body, value) => {
    const js = encodeURIComponent(
      '({ context, event }) => ({ body: { event: event ?? null, same: context.body === event, method: context.method, path: context.path } })',
    );
    const answer = await post(instance, body, headers, `/any/path?js=${js}&method=mine`);
    expect(JSON.parse(answer.text)).toEqual({ event: value, same: true, method: 'POST', path: '/any/path' });
  });

  it.each<[string, Record<string, string>, string, number, string]>([
    ['JSON', { 'content-type': 'application/json' }, '{', 400, 'the body is not JSON'],
    ['an event without id', { ...EVENT, 'ce-id': '' }, '{}', 400, 'ce-id: required'],
    [
      'an event of version 9',
      { ...EVENT, 'ce-specversion': '9' },
      '{}',
      400,
      'ce-specversion: "9" is not supported',
    ],
    [
      'a structured event',
      { 'content-type': 'application/cloudevents+json' },
      '[]',
      400,
      'body: not a JSON object',
    ],
    [
      'a batch',
      { 'content-type': 'application/cloudevents-batch+json' },
      '[]',
      415,
      'a batch of events is not taken',
    ],
  ])('refuses broken %s', async (_, headers, body, code, text) => {
    const answer = await post(instance, body, headers, '/?js=1');
    expect(answer).toMatchObject({ code, text: expect.stringContaining(text) });
  });

  it('an event has the class of the SDK, in binary and in structured mode, 1.0 and 0.3', async () => {
    const js = encodeURIComponent(
      '({ event, context, CloudEvent }) => ({ body: [event instanceof CloudEvent, context.cloudevent === event, event.subject, event.data, context.rawBody.length] })',
    );
    const binary = { ...EVENT, 'ce-specversion': '0.3', 'ce-subject': 'Euro%20%E2%82%AC' };
    expect(JSON.parse((await post(instance, '{"a":1}', binary, `/?js=${js}`)).text)).toEqual([
      true,
      true,
      'Euro €',
      { a: 1 },
      7,
    ]);
    const structured = JSON.stringify({
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      subject: '€',
      data_base64: 'aGk=',
      datacontenttype: 'text/plain',
    });
    const headers = { 'content-type': 'application/cloudevents+json' };
    expect(JSON.parse((await post(instance, structured, headers, `/?js=${js}`)).text)).toEqual([
      true,
      true,
      '€',
      'hi',
      structured.length + 2, // € has three bytes
    ]);
  });

  it('takes attributes of 64 KiB, and refuses a body past its bound', async () => {
    const js = encodeURIComponent('({ event }) => ({ body: event?.long?.length ?? null })');
    const long = { ...EVENT, 'ce-long': '€'.repeat(20_000).replace(/./g, encodeURIComponent) };
    expect((await post(instance, '{}', long, `/?js=${js}`)).text).toBe('20000');
    const small = await start({ 'index.mjs': 'export const handle = (context, body) => body' }, 'index.mjs', {
      FUNC_BODY_LIMIT: '10',
    });
    const plain = { 'content-type': 'text/plain' };
    expect(await post(small, '0123456789', plain)).toMatchObject({ code: 200, text: '0123456789' });
    expect(await post(small, '01234567890', plain)).toMatchObject({
      code: 413,
      text: 'at most 10 bytes are taken (FUNC_BODY_LIMIT)',
    });
  });

  it('a query parameter is a property of context, a list when given twice, never one of its own names', async () => {
    const js = encodeURIComponent(
      '({ context }) => ({ body: [context.a, context.query.a, typeof context.log.info, context.path] })',
    );
    const answer = await post(instance, undefined, {}, `//x?a=1&a=2&log=mine&path=mine&js=${js}`);
    expect(JSON.parse(answer.text)).toEqual([['1', '2'], ['1', '2'], 'function', '//x']);
  });

  it.each(['PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET'] as const)('%s reaches handle', async (method) => {
    const js = encodeURIComponent('({ context }) => context.method');
    expect((await post(instance, undefined, {}, `/some/where?js=${js}`, method)).text).toBe(method);
  });

  it('answers health probes by itself', async () => {
    expect(await post(instance, undefined, {}, '/health/liveness', 'GET')).toMatchObject({
      code: 200,
      text: 'OK',
    });
    expect(await post(instance, undefined, {}, '/health/readiness', 'GET')).toMatchObject({
      code: 200,
      text: 'OK',
    });
  });
});

describe('what a bundle may be', () => {
  it.each<[string, string, Record<string, string>]>([
    ['module.exports = f', 'index.js', { 'index.js': 'module.exports = () => "ok"' }],
    ['module.exports = { handle }', 'index.js', { 'index.js': 'module.exports = { handle: () => "ok" }' }],
    ['export default f', 'index.mjs', { 'index.mjs': 'export default () => "ok"' }],
    ['export { handle }', 'index.mjs', { 'index.mjs': 'export function handle() { return "ok" }' }],
    [
      'exports.default of compiled CommonJS',
      'index.js',
      {
        'index.js':
          'Object.defineProperty(exports, "__esModule", { value: true }); exports.default = () => "ok"',
      },
    ],
    ['exports.handle', 'index.js', { 'index.js': 'exports.handle = () => "ok"' }],
    ['TypeScript', 'index.ts', { 'index.ts': 'export const handle = (context: object): string => "ok"' }],
  ])('%s', async (_, entry, files) => {
    expect(await post(await start(files, entry), undefined)).toMatchObject({ code: 200, text: 'ok' });
  });

  it('init is awaited before the first request, cors and readiness are used', async () => {
    const instance = await start({
      'index.mjs': `let ready = false;
        export const init = async () => { await new Promise((done) => setTimeout(done, 20)); ready = true; };
        export const handle = () => String(ready);
        export const cors = () => ['https://app.test'];
        export const readiness = Object.assign(() => 'ready', { path: '/am-i' });`,
    });
    const answer = await post(instance, undefined, { origin: 'https://app.test' });
    expect(answer).toMatchObject({
      text: 'true',
      headers: { 'access-control-allow-origin': 'https://app.test' },
    });
    const foreign = await post(instance, undefined, { origin: 'https://other.test' });
    expect(foreign.headers['access-control-allow-origin']).toBeUndefined();
    expect((await post(instance, undefined, {}, '/am-i', 'GET')).text).toBe('ready');
  });

  it('one that brings its own cloudevents of our major shares our class', async () => {
    const instance = await start({
      'index.mjs': `import { CloudEvent } from 'cloudevents'; export const handle = (context, event) => String(event instanceof CloudEvent);`,
      'node_modules/cloudevents/package.json': '{"name":"cloudevents","version":"10.1.0","main":"index.js"}',
      'node_modules/cloudevents/index.js': 'throw new Error("the copy of the bundle was loaded")',
    });
    expect((await post(instance, '{}', EVENT)).text).toBe('true');
  });

  it.each<[string, string, string]>([
    ['require', 'index.cjs', "const { CloudEvent } = require('cloudevents');"],
    ['import', 'index.mjs', "import { CloudEvent } from 'cloudevents';"],
  ])('cloudevents need not be brought: %s finds ours', async (_, entry, line) => {
    const code = `${line} ${entry.endsWith('.cjs') ? 'exports.handle =' : 'export const handle ='} (context, event) => String(event instanceof CloudEvent);`;
    expect((await post(await start({ [entry]: code }, entry), '{}', EVENT)).text).toBe('true');
  });

  it('one that brings another major is handed events of that class, and its replies are taken', async () => {
    const instance = await start({
      'index.mjs': `import { CloudEvent } from 'cloudevents';
        export const handle = (context, event) => new CloudEvent({ ...event, type: 'is ' + (event instanceof CloudEvent) + CloudEvent.mark });`,
      'node_modules/cloudevents/package.json': '{"name":"cloudevents","version":"6.0.0","main":"index.js"}',
      'node_modules/cloudevents/index.js': `class CloudEvent { static mark = '!'; constructor(fields) { Object.assign(this, fields); } }
        module.exports = { CloudEvent, HTTP: {} };`,
    });
    const answer = await post(instance, '{"a":1}', EVENT);
    expect(answer).toMatchObject({
      code: 200,
      headers: { 'ce-type': 'is%20true!', 'ce-id': 'e-1' },
      text: '{"a":1}',
    });
  });

  it('one that brings another major keeps its own', async () => {
    const instance = await start({
      'index.mjs': `import { mine } from 'cloudevents'; export const handle = () => mine;`,
      'node_modules/cloudevents/package.json':
        '{"name":"cloudevents","version":"6.0.0","type":"module","main":"index.js"}',
      'node_modules/cloudevents/index.js': 'export const mine = "own copy"',
    });
    expect((await post(instance, undefined)).text).toBe('own copy');
  });

  it('liveness answers through the reply, as with upstream, or by what it returns', async () => {
    const instance = await start({
      'index.mjs': `export const handle = () => 'ok';
        export const liveness = (request, reply) => reply.code(503).send({ up: false });
        export function readiness(request, reply) { setTimeout(() => reply.send('a moment later'), 1); }`,
    });
    expect(await post(instance, undefined, {}, '/health/liveness', 'GET')).toMatchObject({
      code: 503,
      text: '{"up":false}',
    });
    expect((await post(instance, undefined, {}, '/health/readiness', 'GET')).text).toBe('a moment later');
  });

  it.each<[string, Record<string, string>, RegExp]>([
    [
      'throws at import',
      { 'index.mjs': 'throw new Error("no database")' },
      /the function cannot be loaded: no database/,
    ],
    [
      'throws in init',
      {
        'index.mjs': 'export const init = () => { throw new Error("no key") }; export const handle = () => 1',
      },
      /no key/,
    ],
    ['exports nothing', { 'index.mjs': 'export const x = 1' }, /exports no function/],
    ['imports what is not there', { 'index.mjs': 'import "left-pad-not-there"' }, /left-pad-not-there/],
  ])('one that %s is refused with what it said', async (_, files, reason) => {
    await expect(start(files)).rejects.toMatchObject({
      code: 'FunctionInvalid',
      message: expect.stringMatching(reason),
    });
  });

  it('an error outside a request ends the instance, and says why', async () => {
    const instance = await start({
      'index.mjs': `export const handle = () => { setTimeout(() => { throw new Error('stray') }, 1); return 'ok'; }`,
    });
    await post(instance, undefined);
    expect(await instance.ended).toMatchObject({
      exitCode: 1,
      wasAsked: false,
      reason: expect.stringContaining('stray'),
    });
  });
});
