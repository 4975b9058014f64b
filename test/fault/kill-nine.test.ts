import { spawn, type ChildProcess } from 'node:child_process';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { request } from 'undici';
import { temporaryFolder } from '../kit/folders.ts';
import { Journal, seededRandom } from '../kit/journal.ts';
import { subscriber } from '../kit/subscribers.ts';

const KILLS = 50;
const SENDERS = 16;
const READY_WITHIN_MS = 2000;
/** P4: what is in flight at a kill, and what was settled within the last commit interval (5 ms of it, at this rate). */
const REPEATS_PER_KILL = 100 + SENDERS * 16;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function start(folder: string, port: number, url: string): { child: ChildProcess; ready: Promise<number> } {
  const startedMs = performance.now();
  const args = [join(import.meta.dirname, 'platform-child.ts'), folder, String(port), url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ready = new Promise<number>((resolve, reject) => {
    child.stdout.once('data', () => resolve(performance.now() - startedMs));
    child.once('exit', (code) => reject(new Error(`the platform exited with ${code}`)));
  });
  ready.catch(() => undefined);
  return { child, ready };
}

it(
  `loses, invents and alters nothing when it is killed ${KILLS} times under load`,
  { timeout: 180_000 },
  async () => {
    const seed = Number(process.env['MILLRACE_SEED'] ?? Date.now() % 2 ** 31);
    process.stdout.write(`MILLRACE_SEED=${seed}\n`);
    const random = seededRandom(seed);
    const journal = new Journal();
    const audit = await subscriber((response, { headers, body }) => {
      journal.received(headers['ce-id'] ?? '', body);
      response.writeHead(204).end();
    });
    const [folder, port] = [temporaryFolder('kill'), await freePort()];
    let isOver = false;
    let last = 0;

    const send = async (): Promise<void> => {
      while (!isOver) {
        const id = `e-${(last += 1)}`;
        const body = JSON.stringify({ id, padding: 'x'.repeat(Math.floor(random() * 2000)) });
        const headers = {
          'ce-specversion': '1.0',
          'ce-id': id,
          'ce-source': '/s',
          'ce-type': 't',
          'content-type': 'application/json',
        };
        journal.sending(id, body);
        const url = `http://127.0.0.1:${port}/channels/demo/orders`;
        const answer = await request(url, { method: 'POST', headers, body }).catch(() => undefined);
        await answer?.body.dump().catch(() => undefined);
        if (answer?.statusCode === 202) journal.acked(id);
        else await new Promise((resolve) => setTimeout(resolve, 5)); // nobody listens at the moment
      }
    };

    let running = start(folder, port, audit.url);
    await running.ready;
    const senders = Array.from({ length: SENDERS }, send);
    const readyMs: number[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, 30 + random() * 400)); // a random moment is what is tested
      running.child.kill('SIGKILL');
      await new Promise((resolve) => running.child.once('exit', resolve));
      running = start(folder, port, audit.url);
      readyMs.push(await running.ready);
    }
    isOver = true;
    await Promise.all(senders);
    await expect.poll(() => journal.missing(), { timeout: 20_000, interval: 100 }).toEqual([]);
    running.child.kill('SIGKILL');
    audit.close();

    const { lost, invented, altered, repeats } = journal.judge();
    const slowestMs = Math.round(Math.max(...readyMs));
    process.stdout.write(`${JSON.stringify({ ...journal.counts, repeats, slowestMs })}\n`);
    expect({ lost, invented, altered }).toEqual({ lost: [], invented: [], altered: [] });
    expect(repeats).toBeLessThanOrEqual(KILLS * REPEATS_PER_KILL);
    expect(slowestMs).toBeLessThan(READY_WITHIN_MS);
  },
);
