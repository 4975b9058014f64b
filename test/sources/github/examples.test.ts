import { emitterEventNames } from '@octokit/webhooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GITHUB_EVENTS } from '../../../src/apis/sources/github-source/event-names.ts';
import { readBinary, writeBinary } from '../../../src/events/binary.ts';
import { examplePayloads, GitHubWorld } from '../../kit/github.ts';

const EXAMPLES = examplePayloads();
const NAMES = [...new Set(EXAMPLES.map(({ name }) => name))];
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

let world: GitHubWorld;
beforeAll(async () => void (world = await GitHubWorld.open()));
afterAll(() => world.close());

describe.each(NAMES)('the published payloads of %s', (name) => {
  const payloads = EXAMPLES.filter((example) => example.name === name).map(({ payload }) =>
    JSON.stringify(payload, undefined, 1),
  );

  it.each(['JSON', 'form'])('make valid events of the same bytes, as %s', async (as) => {
    for (const [i, payload] of payloads.entries()) {
      world.events.length = 0;
      const headers = { 'x-github-event': name, 'x-github-delivery': `${name}-${i}` };
      const form = new URLSearchParams({ payload }).toString();
      const answer =
        as === 'JSON'
          ? await world.send(payload, { headers })
          : await world.send(form, { headers: { ...headers, ...FORM } });
      if (name === 'ping') {
        expect(answer.code).toBe(200);
        continue;
      }
      expect(answer).toMatchObject({ code: 202, text: 'accepted\n' });
      const [event] = world.events;
      if (event === undefined) throw new Error('no event was sent');
      expect(Buffer.from(event.body).toString()).toBe(payload);
      expect(event.attributes.get('id')).toBe(`${name}-${i}`);
      expect(event.attributes.get('type')).toBe(`dev.knative.source.github.${name}`);
      expect(event.attributes.get('source')).toBe('https://github.com/Codertocat/Hello-World');
      expect([...event.attributes.values()]).not.toContain('');
      expect(readBinary(writeBinary(event), event.body)).toEqual({ kind: 'event', event });
    }
  });
});

it('counts 329 payloads of 58 events', () => expect([EXAMPLES.length, NAMES.length]).toEqual([329, 58]));

it('knows every event that @octokit/webhooks knows, and no other', () => {
  const names = emitterEventNames.map((name) => name.split('.')[0] ?? '');
  expect([...GITHUB_EVENTS].toSorted()).toEqual([...new Set([...names, 'ping'])].toSorted());
});
