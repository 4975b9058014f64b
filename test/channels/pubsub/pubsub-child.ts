import { openSync, writeSync } from 'node:fs';
import type { Consumer, Verdict } from '../../../src/channels/channel.ts';
import { idOf } from '../../kit/events.ts';
import { aClaim, aSpec, connectTo } from './pubsub-world.ts';

/**
 * A platform in a process of its own, to be killed: `node pubsub-child.ts JSON`. What becomes of an event stands in its
 * `order`. It writes what it is offered to a file, which unlike a pipe takes each line at once and keeps it over a kill.
 */
export type ChildOrder = {
  readonly address: string;
  readonly spec: { readonly name: string; readonly uid: string };
  readonly group: string;
  readonly said: string;
  readonly inFlightMax: number;
  readonly isOrdered: boolean;
  readonly sharedName?: string;
};

const order = JSON.parse(process.argv[2] ?? '{}') as ChildOrder;
const said = openSync(order.said, 'a');
const say = (line: string): number => writeSync(said, `${line}\n`);

process.on('warning', (warning) => say(`warning ${warning.message}`));
const backend = await connectTo(order.address);
const channel = await backend.open(aSpec({ ...order.spec, groups: [order.group] }, aClaim(true)));
const { inFlightMax, isOrdered, sharedName } = order;
await channel.consume(order.group, { start: 'latest', inFlightMax, isOrdered, sharedName }, consumer());
say('ready');

function consumer(): Consumer {
  return async ({ event, attempt, stage }): Promise<Verdict> => {
    say(`offered ${idOf(event)} ${attempt} ${stage.kind}`);
    const [what, value = '0'] = (event.attributes.get('order') ?? 'settle').split(' ');
    const dueMs = Date.now() + Number(value);
    if (what === 'hang') return new Promise(() => undefined);
    if (what === 'retry' && attempt < 3) return { kind: 'retry', dueMs, reason: 'busy', code: 503 };
    if (what === 'reply' && stage.kind === 'deliver')
      return { kind: 'advance', stage: { kind: 'reply', reply: event } };
    if (what === 'reply') return { kind: 'retry', dueMs, reason: 'busy', code: 503 };
    if (what === 'dead')
      return { kind: 'dead', failure: { dest: 'http://gone.test/', code: 410, data: '', reason: 'gone' } };
    say(`settled ${idOf(event)}`);
    return { kind: 'settled' };
  };
}
