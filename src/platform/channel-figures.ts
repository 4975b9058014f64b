import { messageOf } from '../base/errors.ts';
import { within } from '../base/within.ts';
import type { Backlog } from '../channels/channel.ts';
import type { OpenChannel } from './channel-host.ts';

/** A channel that cannot tell at the moment, and why: its broker is away. */
export type Away = { readonly channel: string; readonly reason: string };

export type Answers<T> = { readonly told: readonly T[]; readonly away: readonly Away[] };

const ASK_MAX_MS = 10_000;

/** Asks every channel at once, each for a bounded time; one that does not answer is named, and hides no other. */
export async function askAll<T>(
  channels: readonly OpenChannel[],
  ask: (open: OpenChannel) => Promise<readonly T[]>,
): Promise<Answers<T>> {
  const told: T[] = [];
  const away: Away[] = [];
  await Promise.all(
    channels.map(async (open) => {
      try {
        told.push(...(await within(ASK_MAX_MS, ask(open), noAnswer)));
      } catch (error) {
        away.push({ channel: open.key, reason: messageOf(error) });
      }
    }),
  );
  return { told, away };
}

export function askBacklogs(
  channels: readonly OpenChannel[],
): Promise<Answers<Backlog & { readonly channel: string }>> {
  return askAll(channels, async ({ key, channel }) =>
    (await channel.backlog()).map((backlog) => ({ channel: key, ...backlog })),
  );
}

const noAnswer = (): Error => new Error(`no answer within ${ASK_MAX_MS} ms`);
