import { afterEach, describe, expect, it } from 'vitest';
import { ByteBudget } from '../../src/http/body.ts';
import { openServer, type OpenServer } from '../../src/http/server.ts';
import { createWebApp, type WebRoute } from '../../src/http/web-app.ts';

const budget = new ByteBudget(1000);
let server: OpenServer | undefined;
let thrown: unknown[] = [];
afterEach(async () => {
  await server?.close(0);
  thrown = [];
});

async function serve(...routes: readonly WebRoute[]): Promise<string> {
  const limits = { maxBytes: 100, budget };
  const onRequest = await createWebApp({ routes, limits, onError: (error) => thrown.push(error) });
  server = await openServer({ name: 'test', host: '127.0.0.1', port: 0, onRequest });
  return server.url;
}

const echo: WebRoute = {
  method: 'post',
  path: '/hooks/:namespace/:name',
  answer: ({ body, params, query }) => ({
    code: 201,
    body: JSON.stringify({ params, q: query.get('q'), body: body.toString('hex') }),
  }),
};
const post = (url: string, body: string | Uint8Array<ArrayBuffer> = ''): Promise<Response> =>
  fetch(url, { method: 'POST', body });

describe('a web app', () => {
  it('hands a route its parameters and the very bytes that came in', async () => {
    const answer = await post(`${await serve(echo)}/hooks/demo/a?q=1`, Uint8Array.of(0xff, 0x00));
    expect(answer.status).toBe(201);
    expect(await answer.json()).toEqual({ params: { namespace: 'demo', name: 'a' }, q: '1', body: 'ff00' });
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(budget.held).toBe(0);
  });

  it('answers bytes and headers as they are given', async () => {
    const url = await serve({
      method: 'get',
      path: '/page',
      answer: () => ({ code: 200, headers: { 'content-type': 'text/html' }, body: '<p>' }),
    });
    const answer = await fetch(`${url}/page`);
    expect([answer.headers.get('content-type'), await answer.text()]).toEqual(['text/html', '<p>']);
  });

  it('refuses what no route answers: 404, and 405 with what would be taken', async () => {
    const url = await serve(echo);
    expect((await fetch(`${url}/nothing`)).status).toBe(404);
    const wrong = await fetch(`${url}/hooks/demo/a`);
    expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'POST']);
  });

  it('refuses a body past its limit with 413, and a path that is not encoded well with 400', async () => {
    const url = await serve(echo);
    expect((await post(`${url}/hooks/demo/a`, 'x'.repeat(101))).status).toBe(413);
    expect((await post(`${url}/hooks/demo/%ff`)).status).toBe(400);
    expect(thrown).toEqual([]);
  });

  it('tells a sender nothing of what a route threw, and its owner all', async () => {
    const fault = new Error('secret inside');
    const url = await serve({ method: 'get', path: '/', answer: () => Promise.reject(fault) });
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([500, 'internal error\n']);
    expect(thrown).toEqual([fault]);
  });
});
