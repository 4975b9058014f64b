import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { guardHost, hostFault, hostNameOf, LOOPBACK_HOSTS } from '../../src/http/host-check.ts';
import { answerText } from '../../src/http/respond.ts';
import { openServer } from '../../src/http/server.ts';

const ALLOWED = new Set([...LOOPBACK_HOSTS, 'millrace.example']);
const request = (headers: Record<string, string>, method = 'GET'): IncomingMessage =>
  ({ headers, method }) as unknown as IncomingMessage;

describe('the host check (S14)', () => {
  it.each([
    { host: 'localhost:8082' },
    { host: '127.0.0.1:8082' },
    { host: '[::1]:8082' },
    { host: 'LOCALHOST.' },
    { host: 'millrace.example' },
    { host: 'localhost', origin: 'http://localhost:8082' },
    { host: 'localhost', origin: 'http://localhost', 'sec-fetch-site': 'same-origin' },
    { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' }, // a link from elsewhere
  ])('lets %j in', (headers) => {
    expect(hostFault(request(headers), ALLOWED)).toBeUndefined();
  });

  it.each([
    [{ host: 'evil.example' }, 421],
    [{ host: 'localhost.evil.example' }, 421],
    [{ host: '127.0.0.1.nip.io:8082' }, 421],
    [{ host: '' }, 421],
    [{ host: 'localhost', origin: 'https://evil.example' }, 403],
    [{ host: 'localhost', origin: 'null' }, 403],
    [{ host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' }, 403],
  ])('refuses %j with %i', (headers, code) => {
    expect(hostFault(request(headers), ALLOWED)?.code).toBe(code);
  });

  it('lets no page of another site post, not even by a form', () => {
    const headers = { host: 'localhost', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect(hostFault(request(headers, 'POST'), ALLOWED)?.code).toBe(403);
  });

  it('stands before a handler', async () => {
    const onRequest = guardHost(ALLOWED, (_, response) => answerText(response, 200, 'in'));
    const server = await openServer({ name: 'test', host: '127.0.0.1', port: 0, onRequest });
    expect((await fetch(server.url)).status).toBe(200);
    const answer = await fetch(server.url, { headers: { origin: 'https://evil.example' } });
    expect([answer.status, await answer.text()]).toEqual([
      403,
      'Origin "https://evil.example" may not ask here\n',
    ]);
    await server.close(0);
  });

  it.each([
    ['Greeter.Default.', 'greeter.default'],
    ['greeter.default:80', 'greeter.default'],
    ['greeter.default.:80', 'greeter.default'],
    ['[::1]:80', '[::1]'],
  ])('reads the name of %s as %s', (host, name) => {
    expect(hostNameOf(host)).toBe(name);
  });
});
