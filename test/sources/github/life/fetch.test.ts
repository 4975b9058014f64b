import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { examplePayloads } from '../../../kit/github.ts';
import type { StandInDelivery } from '../../../kit/github-api.ts';
import { GitHubLife, LOOK, MINUTE, TARGET } from '../../../kit/github-life.ts';

const DAY = 24 * 3_600_000;

let life: GitHubLife;
beforeEach(async () => {
  life = await GitHubLife.open();
  await life.start();
});
afterEach(async () => {
  await life.close();
  expect(life.gitHub.faults).toEqual([]);
});

/** Attempts of GitHub, one a second, each with what our door answered. */
function attempts(...codes: readonly number[]): StandInDelivery[] {
  return codes.map((code) => {
    life.clock.advance(1000);
    return Object.assign(life.gitHub.record(life.hook), { code });
  });
}
const guids = (deliveries: readonly StandInDelivery[]): string[] => deliveries.map(({ guid }) => guid);
const fetches = (): number => life.gitHub.asked.filter(({ path }) => /deliveries\/\d+$/.test(path)).length;

describe('deliveries that GitHub could not bring', { timeout: 30_000 }, () => {
  it('are fetched at start, the oldest first, and none that was brought', async () => {
    await life.stop();
    const made = attempts(0, 202, 503, 200, 404);
    await life.start();
    const missed = made.filter(({ code }) => code === 0 || code > 299);
    expect(life.ids).toEqual(guids(missed));
    expect(fetches()).toBe(3);
    await life.start();
    await life.after(LOOK);
    expect(life.delivered).toHaveLength(3);
  });

  it('become the events that the door makes of them, for every event of which GitHub publishes a payload', async () => {
    await life.start({ eventTypes: ['*'] });
    await life.stop();
    const byName = new Map(examplePayloads().map((example) => [example.name, example]));
    byName.delete('ping');
    const examples = [...byName.values()];
    life.gitHub.perPage = 50;
    for (const { name, payload } of examples) await life.gitHub.emit(TARGET, name, payload, true);
    await life.start();
    expect(life.delivered).toHaveLength(examples.length);
    for (const [i, { name, payload }] of examples.entries()) {
      const { attributes, body } = life.delivered[i] ?? {};
      expect(attributes?.get('type')).toBe(`dev.knative.source.github.${name}`);
      expect(attributes?.get('source')).toBe(`https://github.com/${TARGET}`);
      expect(Buffer.from(body ?? '').toString()).toBe(JSON.stringify(payload));
    }
  });

  it('keep numbers as GitHub writes them', async () => {
    const payload = '{"ref":"refs/heads/main","id":12345678901234567890,"size":1.50}';
    life.gitHub.record(life.hook, { payload });
    await life.after(LOOK);
    expect(Buffer.from(life.delivered[0]?.body ?? '').toString()).toBe(payload.replace('1.50', '1.5'));
  });

  it('are told to have been fetched', async () => {
    const how: unknown[] = [];
    life.take = async (_event, _signal, each) => {
      how.push(each);
      return 'taken';
    };
    attempts(0);
    await life.after(LOOK);
    expect(how).toEqual(['fetched']);
  });

  it('are none when one of their attempts was taken, and come once however often they were tried', async () => {
    const [first] = attempts(0, 0);
    const again = life.gitHub.record(life.hook, { guid: first?.guid ?? '', isRedelivery: true });
    Object.assign(again, { code: 202 });
    const [third] = attempts(503);
    life.gitHub.record(life.hook, { guid: third?.guid ?? '', isRedelivery: true });
    await life.after(LOOK);
    expect(life.ids).toEqual([life.hook.deliveries.at(-4)?.guid, third?.guid]);
  });

  it('are not fetched when the source has no use for them', async () => {
    life.gitHub.record(life.hook, { event: 'issues' });
    await life.after(LOOK);
    expect(life.delivered).toEqual([]);
    expect(fetches()).toBe(0);
  });

  it('wait while GitHub still tries to bring them', async () => {
    await life.stop();
    const [pending, other] = attempts(0, 0);
    Object.assign(pending ?? {}, { status: 'pending' });
    await life.start();
    expect(life.ids).toEqual([other?.guid]);
    Object.assign(pending ?? {}, { status: 'timed out' });
    await life.after(MINUTE);
    expect(life.ids).toEqual([other?.guid, pending?.guid]);
  });

  it('are gone through page by page, back to the last ones that are known', async () => {
    life.gitHub.perPage = 3;
    const before = Array.from({ length: 10 }, () => (life.clock.advance(MINUTE), attempts(0)[0]));
    await life.start();
    expect(life.ids).toEqual(before.map((each) => each?.guid));
    const asked = life.gitHub.asked.length;
    const after = attempts(0, 0);
    await life.start();
    expect(life.ids.slice(10)).toEqual(guids(after));
    const lists = life.gitHub.asked.slice(asked).filter(({ path }) => path.includes('/deliveries?'));
    expect(lists.length).toBeLessThanOrEqual(2);
  });

  it('are repeated after a crash by what was in hand alone', async () => {
    await life.stop();
    const made = attempts(0, 0, 0, 0);
    life.take = async (event, signal) => {
      if (event.attributes.get('id') !== made[2]?.guid) return 'taken';
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('killed'))));
    };
    const adapter = life.adapter.open(life.plan, life.tools);
    await expect.poll(() => life.delivered.length).toBe(2);
    await adapter.close();
    life.take = async () => 'taken';
    await life.start();
    expect(life.ids).toEqual(guids(made));
  });

  it('leave the bookmark where it is until the sink has them', async () => {
    await life.stop();
    attempts(0);
    const before = life.bookmark.text;
    life.take = (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('away'))));
    const adapter = life.adapter.open(life.plan, life.tools);
    await expect.poll(fetches).toBe(1);
    await adapter.close();
    expect(life.bookmark.text).toBe(before);
  });

  it('that the door did not know as signed have the secret set anew', async () => {
    life.hook.config.secret = 'what somebody else has set';
    life.clock.advance(11 * MINUTE);
    const made = attempts(401);
    await life.after(LOOK);
    expect(life.ids).toEqual(guids(made));
    await life.after(MINUTE);
    expect(life.hook.config.secret).toBe(life.plan.secret);
    expect(life.warnings).toEqual([expect.stringContaining('its secret was another')]);
  });
});

describe('what GitHub keeps no more', { timeout: 30_000 }, () => {
  const time = (ms: number): string => new Date(ms).toISOString();

  it('is named as lost, from the last look to where its memory begins', async () => {
    const lookedMs = life.clock.nowMs();
    await life.stop();
    life.clock.advance(5 * DAY);
    const kept = attempts(0);
    const state = await life.start();
    expect(life.ids).toEqual(guids(kept));
    const span = `between ${time(lookedMs)} and ${time(life.clock.nowMs() - 3 * DAY)} is lost`;
    expect(life.warnings).toEqual([expect.stringMatching(`^DeliveriesLost: .*${span}`)]);
    expect(state).toMatchObject({
      kind: 'running',
      marks: [{ status: 'True', reason: 'DeliveriesLost', message: expect.stringContaining(span) }],
    });
    expect((await life.start())?.kind).toBe('running');
    expect(life.warnings).toHaveLength(1);
  });

  it('is nothing while the source was away for two days, or looks at a quiet repository for ever', async () => {
    attempts(202);
    await life.after(LOOK);
    await life.stop();
    life.clock.advance(2 * DAY);
    life.hook.deliveries.splice(0);
    await life.start();
    for (let day = 0; day < 5; day += 1) {
      await life.after(DAY);
    }
    expect(life.warnings).toEqual([]);
  });

  it('is named one by one when only the payload is gone, and the rest still comes', async () => {
    const [gone, kept] = attempts(0, 0);
    life.gitHub.instead = ({ path }) =>
      path.endsWith(`/deliveries/${gone?.id}`) ? { status: 404, body: { message: 'Not Found' } } : undefined;
    await life.after(LOOK);
    expect(life.ids).toEqual([kept?.guid]);
    expect(life.warnings).toEqual([
      expect.stringMatching(
        `^DeliveryLost: the delivery ${gone?.guid} \\(push\\) of ${time(gone?.atMs ?? 0)}`,
      ),
    ]);
  });

  it('is skipped after five tries when GitHub shows nonsense in its place', async () => {
    const [bad, good] = attempts(0, 0);
    life.gitHub.instead = ({ path }) =>
      path.endsWith(`/deliveries/${bad?.id}`) ? { status: 200, body: '{"request":' } : undefined;
    await life.after(LOOK);
    expect(life.states.at(-1)).toMatchObject({ kind: 'failing', reason: 'GitHubMakesNoSense' });
    for (let i = 0; i < 4; i += 1) await life.after(5 * MINUTE);
    expect(life.ids).toEqual([good?.guid]);
    expect(life.warnings).toEqual([expect.stringContaining(`${bad?.guid}`)]);
  });
});
