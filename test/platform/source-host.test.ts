import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isFalse, isTrue } from '../../src/apis/conditions.ts';
import { GITHUB_SOURCE } from '../../src/apis/sources/github-source/schema.ts';
import type { SourceObject } from '../../src/apis/sources/source-kind.ts';
import { embeddedCluster } from '../../src/control/embedded/embedded-cluster.ts';
import { PlatformError } from '../../src/base/errors.ts';
import type { CloudEvent } from '../../src/events/event.ts';
import { Bookmarks } from '../../src/platform/bookmarks.ts';
import { Sources } from '../../src/platform/source-host.ts';
import { sourceReconciler } from '../../src/sources/control/source-reconciler.ts';
import type { Patience, SourceKind, SourceTools } from '../../src/sources/source.ts';
import { onSignal } from '../../src/telemetry/signals.ts';
import { aGitHubSource } from '../kit/github.ts';
import { anEvent } from '../kit/events.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { conditionIn, World } from '../kit/world.ts';

type Plan = { readonly token: string };

let world: World;
let sources: Sources;
let opened: { plan: Plan; tools: SourceTools }[];
let closed: number;
let changed: number;
let removed: unknown[];
let taken: CloudEvent[];
let refusal: PlatformError | undefined;
let token: string | undefined;
let folder: string;
let warnings: string[];
let patience: Patience;
let owed: number;

/** A source of the kind GitHubSource that does what a test tells it to. */
const kind: SourceKind<SourceObject, Plan> = {
  kind: GITHUB_SOURCE,
  conditions: ['SinkProvided', 'Deployed'],
  leavesSomething: true,
  plan: (_, readSecret) => {
    const found = readSecret('default', 'access', 'token');
    if (found !== undefined) return { kind: 'plan', plan: { token: found } };
    return { kind: 'missing', mark: isFalse('Deployed', 'SecretMissing', 'Secret access is not there') };
  },
  ceAttributes: () => [{ type: 'thing.happened', source: '/origin' }],
  fields: (_, { publicUrl }) => ({ webhookURL: `${publicUrl}/webhooks` }),
  load: async () => ({
    open(plan, tools) {
      opened.push({ plan, tools });
      tools.tell({ kind: 'running' });
      return { close: async () => void (closed += 1) };
    },
    patienceOf: () => patience,
    remove: async (plan) => void removed.push(plan),
  }),
};

beforeEach(async () => {
  world = await World.open();
  folder = join(temporaryFolder('sources'), 'bookmarks');
  [opened, closed, changed, removed, taken, refusal, token] = [[], 0, 0, [], [], undefined, 'one'];
  warnings = [];
  [patience, owed] = [{}, 0];
  sources = new Sources({
    clock: world.clock,
    reader: world.controller,
    bookmarks: new Bookmarks(folder),
    clusterAt: async () => embeddedCluster(world.controller, 'https://api.test'),
    sinkAt: () => ({
      async send(event) {
        if (refusal !== undefined) throw refusal;
        taken.push(event);
      },
    }),
    adapterOf: () => kind.load() as ReturnType<ConstructorParameters<typeof Sources>[0]['adapterOf']>,
    giveUp: async () => owed,
    onChange: () => (changed += 1),
    onWarning: ({ metadata }, reason, message) => warnings.push(`${metadata.name} ${reason} ${message}`),
  });
  await world.apply({
    ...aGitHubSource({ ceOverrides: { extensions: { team: 'shop' } } }),
    metadata: METADATA,
  });
});
afterEach(() => sources.close());

const METADATA = { name: 'repository', namespace: 'default' };
const context = { publicUrl: 'http://gateway.test', apiUrl: 'https://api.test' };
const reconciler = () =>
  sourceReconciler(kind, world.controller, { host: sources, readSecret: () => token, context });
const pass = () => world.pass(reconciler(), 'repository');
const object = () => world.get(GITHUB_SOURCE, 'repository');
const signal = new AbortController().signal;

describe('a source that runs by a plan', () => {
  it('runs once, says so, and runs anew only when what it depends on changes', async () => {
    await pass();
    await pass();
    expect(opened.map(({ plan }) => plan)).toEqual([{ token: 'one' }]);
    const { status } = await object();
    expect(conditionIn(await object(), 'Ready')).toEqual({ status: 'True' });
    expect(status).toMatchObject({
      sinkUri: 'http://sink.example/',
      ceAttributes: [{ type: 'thing.happened', source: '/origin' }],
    });
    token = 'two';
    await pass();
    expect(opened.map(({ plan }) => plan)).toEqual([{ token: 'one' }, { token: 'two' }]);
    expect(closed).toBe(1);
  });

  it('does not run while something is missing, and says what', async () => {
    token = undefined;
    await pass();
    expect(opened).toEqual([]);
    const told = { status: 'False', reason: 'SecretMissing', message: 'Secret access is not there' };
    expect(conditionIn(await object(), 'Ready')).toEqual(told);
    expect(conditionIn(await object(), 'SinkProvided')).toEqual({ status: 'True' });
  });

  it('says what it says of its origin, and that it goes again', async () => {
    await pass();
    const failing = { kind: 'failing', condition: 'Deployed', reason: 'Away', message: 'connection refused' };
    opened[0]?.tools.tell(failing as Parameters<SourceTools['tell']>[0]);
    expect(changed).toBeGreaterThan(0);
    await pass();
    expect(conditionIn(await object(), 'Ready')).toMatchObject({ status: 'False', reason: 'Away' });
    opened[0]?.tools.tell({ kind: 'running' });
    await pass();
    expect(conditionIn(await object(), 'Ready')).toEqual({ status: 'True' });
  });

  it('passes on what it says was lost', async () => {
    await pass();
    opened[0]?.tools.warn('EventsLost', 'two events of yesterday');
    expect(warnings).toEqual(['repository EventsLost two events of yesterday']);
  });

  it('says more of a condition that is true, and what its status has whether it runs or not', async () => {
    await pass();
    opened[0]?.tools.tell({ kind: 'running', marks: [isTrue('Deployed', 'Manual', 'enter it by hand')] });
    await pass();
    const manual = { status: 'True', reason: 'Manual', message: 'enter it by hand' };
    expect(conditionIn(await object(), 'Deployed')).toEqual(manual);
    expect(conditionIn(await object(), 'Ready')).toEqual({ status: 'True' });
    token = undefined;
    await pass();
    expect((await object()).status).toMatchObject({ webhookURL: 'http://gateway.test/webhooks' });
  });

  it('says while it starts which conditions have come true', async () => {
    await pass();
    opened[0]?.tools.tell({ kind: 'starting' });
    await pass();
    expect(conditionIn(await object(), 'Deployed')).toEqual({ status: 'Unknown' });
    opened[0]?.tools.tell({ kind: 'starting', marks: [isTrue('Deployed')] });
    await pass();
    expect(conditionIn(await object(), 'Deployed')).toEqual({ status: 'True' });
  });

  it('says in the trace of an event that it was fetched', async () => {
    const sent: unknown[] = [];
    const stop = onSignal('source.sent', ({ id, fetched }) => sent.push({ id, fetched }));
    await pass();
    await opened[0]?.tools.deliver(anEvent('e-1'), signal);
    await opened[0]?.tools.deliver(anEvent('e-2'), signal, 'fetched');
    stop();
    expect(sent).toEqual([
      { id: 'e-1', fetched: undefined },
      { id: 'e-2', fetched: true },
    ]);
  });

  it('delivers with its overrides, and tries until the sink takes the event', async () => {
    await pass();
    refusal = new PlatformError('SINK_UNREACHABLE', 'the sink gave no answer', { retryable: true });
    const delivering = opened[0]?.tools.deliver(anEvent('e-1'), signal);
    await expect
      .poll(async () => (await pass(), conditionIn(await object(), 'SinkProvided')))
      .toEqual({
        status: 'False',
        reason: 'SinkRefuses',
        message: 'the sink gave no answer',
      });
    refusal = undefined;
    await expect.poll(() => (world.clock.advance(1000), taken.length)).toBe(1);
    expect(await delivering).toBe('taken');
    expect(taken[0]?.attributes.get('team')).toBe('shop');
    await pass();
    expect(conditionIn(await object(), 'Ready')).toEqual({ status: 'True' });
  });

  it('goes on behind what the sink will never take, and stops trying when it is told to', async () => {
    await pass();
    refusal = new PlatformError('SINK_REFUSED', 'the sink answered 400', { retryable: false });
    expect(await opened[0]?.tools.deliver(anEvent(), signal)).toBe('refused');
    refusal = new PlatformError('SINK_REFUSED', 'the sink answered 503', { retryable: true });
    const stop = new AbortController();
    const delivering = opened[0]?.tools.deliver(anEvent(), stop.signal);
    stop.abort();
    await expect(delivering).rejects.toThrow();
  });

  it('gives an event up after as many tries as its adapter grants, with the pauses that it says', async () => {
    const told: string[] = [];
    const stop = onSignal('source.refused', ({ code, reason }) => told.push(`${code} ${reason}`));
    patience = { retryMax: 2, backoff: { policy: 'linear', delayMs: 10_000 } };
    await pass();
    refusal = new PlatformError('SINK_REFUSED', 'the sink answered 503', { retryable: true });
    const startedMs = world.clock.nowMs();
    const delivering = opened[0]?.tools.deliver(anEvent(), signal);
    let isOver = false;
    void delivering?.then(() => (isOver = true));
    await expect.poll(() => (world.clock.advance(1000), isOver)).toBe(true);
    stop();
    expect(await delivering).toBe('refused');
    expect(world.clock.nowMs() - startedMs).toBeGreaterThanOrEqual(10_000); // linear: at once, then after 10 s
    expect(told).toEqual(['503 given up after 3 tries, as spec.delivery says: the sink answered 503']);
    await pass();
    expect(conditionIn(await object(), 'Ready')).toEqual({ status: 'True' });
  });

  it('remembers how far it has come, whatever restarts, until it is deleted', async () => {
    await pass();
    const [bookmark] = opened.map(({ tools }) => tools.bookmark);
    expect(await bookmark?.read()).toBeUndefined();
    await Promise.all([bookmark?.write('41'), bookmark?.write('42')]);
    expect(await bookmark?.read()).toBe('42');
    const source = (await object()) as unknown as SourceObject;
    expect(await new Bookmarks(folder).of(source.metadata.uid ?? '').read()).toBe('42');
    await expect(bookmark?.write('x'.repeat(70_000))).rejects.toMatchObject({ code: 'BOOKMARK_TOO_LARGE' });
    await reconciler().finalize?.(source);
    expect(removed).toEqual([{ token: 'one' }]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('says what it leaves at its origin when it cannot be undone', async () => {
    mkdirSync(folder, { recursive: true });
    token = undefined;
    const told = await reconciler().finalize?.((await object()) as unknown as SourceObject);
    expect(told).toMatchObject([{ type: 'Warning', reason: 'OriginNotCleaned' }]);
    expect(removed).toEqual([]);
  });

  it.each([
    [1, '1 event that was accepted and not yet delivered to the sink is given up'],
    [3, '3 events that were accepted and not yet delivered to the sink are given up'],
  ])('says when it is deleted what it still owed: %i', async (events, message) => {
    owed = events;
    const told = await reconciler().finalize?.((await object()) as unknown as SourceObject);
    expect(told).toEqual([{ type: 'Warning', reason: 'EventsGivenUp', message }]);
  });
});
