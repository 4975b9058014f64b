import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Dispatcher } from 'undici';
import { systemClock } from '../../../../src/base/clock.ts';
import { createOutbound } from '../../../../src/http/outbound.ts';
import { GitHubApi } from '../../../../src/sources/github/rest/api.ts';
import { parseLossless, wholeNumber } from '../../../../src/sources/github/rest/lossless-json.ts';
import { Turns } from '../../../../src/sources/github/rest/turns.ts';

const never = new AbortController().signal;
const CALL = {
  method: 'GET',
  path: '/repos/a/b/hooks',
  tried: 'list the webhooks of a/b',
  target: 'a/b',
} as const;

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: IncomingMessage[];
let outbound: Dispatcher;
let turns: Turns;
beforeEach(async () => {
  asked = [];
  turns = new Turns(2);
  outbound = createOutbound({ route: () => undefined });
  server = createServer((request, response) => {
    asked.push(request);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await outbound.destroy();
  server.closeAllConnections();
  server.close();
});

const at = (host = '127.0.0.1', path = ''): string =>
  `http://${host}:${(server.address() as AddressInfo).port}${path}`;
const api = (apiUrl = at(), deadlineMs = 5000): GitHubApi =>
  new GitHubApi({
    apiUrl,
    token: 't0ken',
    hidden: ['s3cret'],
    outbound,
    turns,
    clock: systemClock,
    deadlineMs,
  });

describe('a call of GitHub’s API', () => {
  it.each(['', '/', '/api/v3', '/api/v3/'])(
    'goes below the address of the API, here ending with "%s"',
    async (path) => {
      answer = (_, response) => response.end('[]');
      expect(await api(at(undefined, path)).call(CALL, never)).toMatchObject({ status: 200, body: [] });
      expect(asked[0]?.url).toBe(`${path.replace(/\/$/, '')}/repos/a/b/hooks`);
      expect(asked[0]?.headers).toMatchObject({ authorization: 'Bearer t0ken', 'user-agent': 'millrace' });
    },
  );

  it('follows a repository to its new name', async () => {
    answer = ({ url }, response) =>
      url === '/repositories/1/hooks'
        ? response.end('[1]')
        : response.writeHead(301, { location: at(undefined, '/repositories/1/hooks') }).end();
    expect(await api().call(CALL, never)).toMatchObject({ body: [1] });
  });

  it('never takes the token to another server', async () => {
    answer = (_, response) => response.writeHead(302, { location: at('localhost', '/') }).end();
    await expect(api().call(CALL, never)).rejects.toThrow(
      /redirects to http:\/\/localhost:\d+ when asked to list/,
    );
    expect(asked).toHaveLength(1);
  });

  it('ends when it is sent round in circles', async () => {
    answer = (_, response) => response.writeHead(307, { location: '/again' }).end();
    await expect(api().call(CALL, never)).rejects.toMatchObject({ reason: 'NotFound' });
    expect(asked).toHaveLength(4);
  });

  it('has a deadline, for the head and for the body of the answer', async () => {
    answer = () => undefined;
    await expect(api(at(), 50).call(CALL, never)).rejects.toThrow(/was not reached to list .*within 50 ms/);
    answer = (_, response) => void response.write('[');
    await expect(api(at(), 50).call(CALL, never)).rejects.toMatchObject({ reason: 'GitHubUnavailable' });
  });

  it('ends at once when it is told to', async () => {
    const stop = new AbortController();
    answer = () => stop.abort(new Error('closing'));
    await expect(api().call(CALL, stop.signal)).rejects.toThrow('closing');
  });

  it('is one of so many at a time, and its deadline begins with its turn', async () => {
    let open = 0;
    answer = () => void (open += 1);
    const stop = new AbortController();
    const calls = [1, 2, 3].map(() => api(at(), 300).call(CALL, never));
    const given = api().call(CALL, stop.signal);
    await expect.poll(() => open).toBe(2);
    stop.abort(new Error('closing'));
    await expect(given).rejects.toThrow('closing');
    await Promise.allSettled(calls.slice(0, 2));
    await expect(calls[2]).rejects.toThrow('no answer came within 300 ms');
    expect(open).toBe(3);
  });

  it('reads no more than it has to', async () => {
    answer = (_, response) => response.end(`"${'x'.repeat(5000)}"`);
    await expect(api().call({ ...CALL, bytesMax: 1000 }, never)).rejects.toThrow(/larger than 1000 bytes/);
  });

  it('repeats neither token nor secret, whoever says them', async () => {
    const message = 'you sent t0ken and s3cret';
    answer = (_, response) => response.writeHead(500).end(JSON.stringify({ message }));
    await expect(api().call(CALL, never)).rejects.toThrow('"you sent *** and ***"');
  });

  it('says where the next page is', async () => {
    const link =
      '<https://api.github.com/x?page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last"';
    answer = (_, response) => response.writeHead(200, { link }).end('[]');
    expect(await api().call(CALL, never)).toMatchObject({ next: 'https://api.github.com/x?page=2' });
    answer = (_, response) => response.writeHead(200, { link: '<https://x/?page=1>; rel="prev"' }).end('[]');
    expect(await api().call(CALL, never)).toMatchObject({ next: undefined });
  });
});

describe('JSON as GitHub writes it', () => {
  it.each([
    '{"id":9007199254740993,"n":[1,-2,0.5,true,null,"9007199254740993"]}',
    '[123456789012345678901234567890]',
  ])('keeps every whole number of %s', (text) => expect(JSON.stringify(parseLossless(text))).toBe(text));

  it('knows ids of any size, and nothing else for one', () => {
    const [small, large, fraction] = parseLossless('[42,9007199254740993,1.5]') as unknown[];
    expect([small, large, fraction, '42', null, { rawJSON: 'x' }].map(wholeNumber)).toEqual([
      '42',
      '9007199254740993',
      ...Array.from({ length: 4 }, () => undefined),
    ]);
  });
});
