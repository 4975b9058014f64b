import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Launch } from '../../../src/serving/runtime/container-spec.ts';
import { folderWith } from '../../kit/folders.ts';
import { FUNCTION, openProcessServing, WITNESS, type ProcessServing } from '../../kit/process-serving.ts';

const witness = folderWith('witness', WITNESS);
/**
 * A program that says in a file of its own when it was told to end; `?ms=` is how long it takes to answer, LINGER how
 * long it tidies up, and STUBBORN that it does not end at all.
 */
const directory = folderWith('program', {
  'server.mjs': `
    import { appendFileSync } from 'node:fs';
    import { createServer } from 'node:http';
    const note = (text) => appendFileSync(process.env.NOTES, text + '\\n');
    createServer((request, response) => {
      const ms = Number(new URL(request.url, 'http://x').searchParams.get('ms') ?? 0);
      setTimeout(() => { note('answered'); response.end(String(process.pid)); }, ms);
    }).listen(process.env.PORT, '127.0.0.1');
    process.on('SIGTERM', () => {
      note('told to end');
      if (process.env.STUBBORN === undefined) setTimeout(() => { note('tidied up'); process.exit(0); }, Number(process.env.LINGER));
    });`,
});
const PROGRAM: Launch = { kind: 'program', command: ['node', 'server.mjs'] };

let serving: ProcessServing;
beforeAll(async () => {
  serving = await openProcessServing();
});
afterAll(() => serving.close());

/** A revision of the program; `notes` is what its instances have noted. */
function program(
  name: string,
  { env = {}, timeoutMs = 10_000 }: { env?: Record<string, string>; timeoutMs?: number } = {},
): { readonly notes: () => readonly string[]; readonly key: string } {
  const file = join(folderWith('notes', { [name]: '' }), name);
  const { revision, route } = serving;
  revision(name, directory, PROGRAM, { plan: { timeoutMs }, env: { NOTES: file, LINGER: '0', ...env } });
  route(name, name);
  return { notes: () => readFileSync(file, 'utf8').split('\n').slice(0, -1), key: `demo/${name}` };
}

const endOf = (name: string) =>
  serving.events.find((event) => event.kind === 'ended' && event.revision === `demo/${name}`);

describe('an instance that is to go', { timeout: 30_000 }, () => {
  it('answers what it has first, and is told to end only then', async () => {
    const { notes, key } = program('slow');
    const { ask, counts, instances } = serving;
    await ask('slow');
    const long = ask('slow', '/?ms=700');
    await expect.poll(() => counts('slow').inFlight).toBe(1);
    await serving.serving.replaceInstance(key, instances('slow')[0]?.id ?? '');
    expect(await long).toMatchObject({ code: 200 });
    expect(notes()).toEqual(['answered', 'answered', 'told to end', 'tidied up']);
  });

  it('has the rest of the time of a request to tidy up, more than a few seconds', async () => {
    const { notes, key } = program('tidy', { env: { LINGER: '2600' }, timeoutMs: 30_000 });
    await serving.ask('tidy');
    await serving.serving.scaleToZero(key);
    expect(notes()).toEqual(['answered', 'told to end', 'tidied up']);
    expect(endOf('tidy')).toMatchObject({ ended: { exitCode: 0, wasAsked: true } });
  });

  it('is killed when it hangs: SIGTERM when the time of its request is over, SIGKILL two seconds after', async () => {
    const { notes, key } = program('stubborn', { env: { STUBBORN: '1' }, timeoutMs: 600 });
    const { ask, counts } = serving;
    await expect.poll(async () => (await ask('stubborn')).code, { timeout: 10_000 }).toBe(200);
    const hung = ask('stubborn', '/?ms=60000');
    await expect.poll(() => counts('stubborn').inFlight).toBe(1);
    await serving.serving.scaleToZero(key);
    expect(await hung).toMatchObject({ code: 504, text: 'request timeout\n' });
    expect(notes().slice(1)).toEqual(['told to end']);
    expect(endOf('stubborn')).toMatchObject({ ended: { signal: 'SIGKILL', wasAsked: true } });
  });

  it('is not waited for beyond the grace of the platform, which ends while requests hang', async () => {
    const own = await openProcessServing({ warm: 0 });
    const file = join(folderWith('notes', { own: '' }), 'own');
    own.revision('own', directory, PROGRAM, { env: { NOTES: file, STUBBORN: '1' } });
    own.route('own', 'own');
    await own.ask('own');
    const hung = own.ask('own', '/?ms=60000').then(
      ({ code }) => code,
      () => 'cut',
    );
    await expect.poll(() => own.counts('own').inFlight).toBe(1);
    await own.close(); // its timeoutSeconds are 300
    expect(await hung).toSatisfy((how) => how === 'cut' || how === 502);
  }, 10_000);

  it('of a removed revision still answers what it has when the platform is asked to end', async () => {
    const own = await openProcessServing({ warm: 1 });
    own.revision('removed', witness, FUNCTION);
    own.route('removed', 'removed');
    const long = own.witness('removed', '/?ms=800');
    await expect.poll(() => own.counts('removed').inFlight, { timeout: 5000 }).toBe(1);
    void own.serving.removeRevision('demo/removed');
    await own.serving.close(10_000);
    expect(await long).toMatchObject({ wasIll: false });
    await own.close();
  });
});

describe('scaling down', { timeout: 30_000 }, () => {
  it('takes the idle ones, and leaves alone the one that answers', async () => {
    const { revision, route, ask, counts, instances, pidOf } = serving;
    const scale = { minScale: 3, target: 100 };
    revision('three', witness, FUNCTION, { plan: { containerConcurrency: 1 }, scale });
    route('three', 'three');
    await expect.poll(() => counts('three').ready, { timeout: 10_000 }).toBe(3);
    const long = serving.witness('three', '/?ms=4000');
    await expect.poll(() => counts('three').inFlight).toBe(1);
    const [busy] = instances('three').filter(({ inFlight }) => inFlight === 1);
    revision('three', witness, FUNCTION, {
      plan: { containerConcurrency: 1 },
      scale: { ...scale, minScale: 0, windowMs: 2000 },
    });
    await expect.poll(() => counts('three').ready, { timeout: 10_000 }).toBe(1);
    expect(instances('three').filter(({ state }) => state === 'ready')).toMatchObject([{ id: busy?.id }]);
    expect(await long).toMatchObject({ pid: pidOf(busy?.id), wasIll: false });
    expect((await ask('three')).code).toBe(200);
  });

  it('to zero and up again, over and over under load, loses no request', async () => {
    const { revision, route, serving: data, events } = serving;
    revision('pulse', witness, FUNCTION, { plan: { containerConcurrency: 4 } });
    route('pulse', 'pulse');
    const over = new AbortController();
    const load = Array.from({ length: 8 }, async () => {
      let count = 0;
      for (; !over.signal.aborted; count += 1) {
        const { wasIll } = await serving.witness('pulse', '/?ms=5'); // throws unless it is a 200
        expect(wasIll).toBe(false);
        await pause(2); // as people do
      }
      return count;
    });
    for (let i = 0; i < 15; i += 1) {
      await expect
        .poll(() => serving.counts('pulse').ready, { timeout: 5000, interval: 5 })
        .toBeGreaterThan(0);
      await data.scaleToZero('demo/pulse');
    }
    over.abort();
    const counts = await Promise.all(load);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    const starts = events.filter(({ kind, revision: key }) => kind === 'ready' && key === 'demo/pulse');
    expect(starts.length).toBeGreaterThanOrEqual(15);
  });
});
