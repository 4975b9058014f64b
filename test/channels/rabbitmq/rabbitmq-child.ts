import { openSync, writeSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import { idOf } from '../../kit/events.ts';
import { aChannelSpec, connectTo } from './rabbitmq-world.ts';

/**
 * A platform in a process of its own, to be killed: `node rabbitmq-child.ts JSON`, with the address of the broker, the
 * channel's name, the group's options, and the file that it writes `offered ID ATTEMPT STAGE`, `settled ID ATTEMPT` and `retrying COUNT` to:
 * unlike a pipe it takes each line at once, and a kill does not take it back. What becomes of an event is in its `order`.
 */
export type ChildOrder = {
  readonly address: string;
  readonly name: string;
  readonly said: string;
  readonly inFlightMax: number;
  readonly isOrdered: boolean;
  readonly sharedName?: string;
};

const order = JSON.parse(process.argv[2] ?? '{}') as ChildOrder;
const said = openSync(order.said, 'a');
const say = (line: string): number => writeSync(said, `${line}\n`);

process.on('warning', (warning) => say(`warning ${warning.message}`));
const isOurs = { isOurs: true, make: async () => undefined };
const backend = await connectTo(order.address);
const channel = await backend.open(aChannelSpec(order.name, { claim: isOurs }));
const { inFlightMax, isOrdered, sharedName } = order;
await channel.consume('audit', { start: 'latest', inFlightMax, isOrdered, sharedName }, consumer());
say('ready');
for (let retrying = 0; ; await pause(20)) {
  const [backlog] = await channel.backlog();
  if (backlog !== undefined && backlog.retrying !== retrying)
    say(`retrying ${(retrying = backlog.retrying)}`);
}

function consumer(): Consumer {
  return async ({ event, attempt, stage }): Promise<Verdict> => {
    say(`offered ${idOf(event)} ${attempt} ${stage.kind}`);
    const [what, value] = (event.attributes.get('order') ?? 'settle').split(' ');
    if (what === 'hang') return new Promise(() => undefined);
    if (what === 'retry' && attempt < 3)
      return { kind: 'retry', dueMs: Date.now() + Number(value), reason: 'busy', code: 503 };
    if (what === 'reply' && stage.kind === 'deliver')
      return { kind: 'advance', stage: { kind: 'reply', reply: event } };
    if (what === 'reply')
      return { kind: 'retry', dueMs: Date.now() + Number(value), reason: 'busy', code: 503 };
    if (what === 'dead')
      return { kind: 'dead', failure: { dest: 'http://gone.test/', code: 410, data: '', reason: 'gone' } };
    say(`settled ${idOf(event)} ${attempt}`);
    return { kind: 'settled' };
  };
}
