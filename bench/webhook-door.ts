import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { BenchChild, type Answer } from './child.ts';
import type { Bench } from './results.ts';
import { pairRounds, type Figures, type Side } from './rounds.ts';

const SECRET = 'bench';
const CONNECTIONS = 64;
/** What a busy organisation sends, with room to spare. */
const PACED_PER_SECOND = 2000;

/**
 * Signed pushes of GitHub a second, answered 202 by the door once they are synced to disk in a channel, which offers each
 * to one group. The baseline checks the signature, parses the payload and answers.
 */
export const webhookDoor: Bench = async ({ rounds, seconds, profileFolder }) => {
  const door = new BenchChild('./door-child.ts', [SECRET], profileFolder);
  const verifier = new BenchChild('./bare-verifier.ts', [SECRET], profileFolder);
  const load = new BenchChild('./load.ts');
  const ask = async (port: number, rate: number): Promise<Answer> => {
    const delivery = { ...aPush(), port, path: '/webhooks/demo/repository' };
    const answer = await load.ask({ ...delivery, connections: CONNECTIONS, seconds, rate });
    if (answer['refused'] !== 0) throw new Error(`${answer['refused']} deliveries were refused`);
    return answer;
  };
  const allSettled = async (answered: number): Promise<void> => {
    let seen = 0;
    for (let owed = 1; owed > 0;) {
      const told = await door.ask({});
      seen += told['seen'] ?? 0;
      owed = told['owed'] ?? 0;
    }
    if (seen !== answered) throw new Error(`${answered} deliveries were taken, ${seen} events were offered`);
  };
  const side =
    (child: BenchChild, port: number, settle: (answered: number) => Promise<void>): Side =>
    async () => {
      const [cpu, main] = [child.cpuMicros(), child.mainMicros()];
      const { answered = 0, ms = 1 } = await ask(port, 0);
      const answeredPerSecond = (answered * 1000) / ms;
      await settle(answered);
      const figures: Figures = {
        'deliveries/s': answeredPerSecond,
        'CPU µs/delivery': (child.cpuMicros() - cpu) / answered,
        'main thread µs/delivery': (child.mainMicros() - main) / answered,
      };
      const paced = await ask(port, PACED_PER_SECOND);
      await settle(paced['answered'] ?? 0);
      return { ...figures, [`p99 ms at ${PACED_PER_SECOND}/s`]: paced['p99Ms'] ?? Number.NaN };
    };
  const sides = {
    ours: side(door, await door.port(), allSettled),
    baseline: side(verifier, await verifier.port(), async () => undefined),
  };
  const table = await pairRounds(rounds, sides, (ours, baseline) => ({
    ratio: (ours['deliveries/s'] ?? 0) / (baseline['deliveries/s'] ?? 0),
  }));
  await Promise.all([door, verifier, load].map((child) => child.close()));
  return table;
};

/** A push as GitHub publishes it, signed; what differs from one delivery to the next is its id, which is not signed. */
function aPush(): { readonly head: string; readonly body: string } {
  const all = createRequire(import.meta.url)('@octokit/webhooks-examples') as readonly {
    readonly name: string;
    readonly examples: readonly unknown[];
  }[];
  const body = JSON.stringify(all.find(({ name }) => name === 'push')?.examples[0]);
  const signature = createHmac('sha256', SECRET).update(body).digest('hex');
  const head = [
    'content-type: application/json',
    'user-agent: GitHub-Hookshot/1',
    'x-github-event: push',
    `x-hub-signature-256: sha256=${signature}`,
    'x-github-delivery: ',
  ].join('\r\n');
  return { head, body };
}
