import { connect, type Socket } from 'node:net';
import { answerRequests } from './child.ts';
import { quantile } from './rounds.ts';

/**
 * A closed loop over kept-alive sockets: each connection sends its next request when it has its answer. It writes and
 * reads bytes by itself, so that it never becomes what is measured.
 */
type Ask = { port: number; path: string; host: string; connections: number; seconds: number; bytes: number };

answerRequests(async (request) => run(request as unknown as Ask)); // as the benches ask

async function run({ port, path, host, connections, seconds, bytes }: Ask): Promise<Record<string, number>> {
  const body = 'x'.repeat(bytes);
  const head = [
    `POST ${path} HTTP/1.1`,
    `host: ${host}`,
    'content-type: text/plain',
    'ce-specversion: 1.0',
    'ce-source: /bench',
    'ce-type: bench.event',
    `content-length: ${bytes}`,
  ].join('\r\n');
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const latencies: number[] = [];
  let [answered, refused, last] = [0, 0, 0];
  const loop = (socket: Socket): Promise<void> =>
    new Promise((resolve, reject) => {
      let sentMs = 0;
      const send = (): void => {
        if (performance.now() >= endMs) {
          socket.destroy();
          return resolve();
        }
        sentMs = performance.now();
        socket.write(`${head}\r\nce-id: ${(last += 1)}\r\n\r\n${body}`);
      };
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        const headEnd = text.indexOf('\r\n\r\n');
        if (headEnd < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
        if (text.length < headEnd + 4 + length) return;
        if (text.startsWith('HTTP/1.1 2')) answered += 1;
        else refused += 1;
        text = '';
        if (connections === 1) latencies.push(performance.now() - sentMs);
        send();
      });
      socket.on('error', reject);
      socket.on('connect', send);
    });
  await Promise.all(
    Array.from({ length: connections }, () => loop(connect({ port, host: '127.0.0.1', noDelay: true }))),
  );
  const p50Ms = quantile(
    latencies.toSorted((a, b) => a - b),
    0.5,
  );
  return { answered, refused, ms: performance.now() - startMs, p50Ms };
}
