import { connect, type ClientHttp2Session } from 'node:http2';
import { answerRequests, type Answer, type Message } from './child.ts';
import { quantile } from './rounds.ts';

/** Sends POSTs over HTTP/2 in a closed loop: so many streams at a time on each of so many connections. */
answerRequests(run);

async function run(message: Message): Promise<Answer> {
  const [port, connections, streams, seconds] = ['port', 'connections', 'streams', 'seconds'].map((name) =>
    Number(message[name]),
  );
  const body = Buffer.alloc(Number(message['bytes']), 0x78);
  const sessions = Array.from({ length: connections ?? 1 }, () => connect(`http://127.0.0.1:${port}`));
  const startMs = performance.now();
  const endMs = startMs + (seconds ?? 1) * 1000;
  const latencies: number[] = [];
  let refused = 0;
  const loop = async (session: ClientHttp2Session): Promise<void> => {
    while (performance.now() < endMs) {
      const sinceMs = performance.now();
      const code = await post(session, String(message['host']), body);
      latencies.push(performance.now() - sinceMs);
      if (code < 200 || code > 299) refused += 1;
    }
  };
  await Promise.all(sessions.flatMap((session) => Array.from({ length: streams ?? 1 }, () => loop(session))));
  const ms = performance.now() - startMs;
  for (const session of sessions) session.destroy();
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    answered: sorted.length - refused,
    refused,
    ms,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
  };
}

function post(session: ClientHttp2Session, host: string, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/',
      ':authority': host,
      'content-length': body.length,
    });
    let code = 0;
    stream.on('response', ({ ':status': status = 0 }) => (code = status));
    stream.on('error', reject);
    stream.on('close', () => resolve(code));
    stream.resume();
    stream.end(body);
  });
}
