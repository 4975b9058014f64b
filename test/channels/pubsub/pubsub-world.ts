import { randomBytes, randomUUID } from 'node:crypto';
import { systemClock } from '../../../src/base/clock.ts';
import type { BackedChannel, Backend, ChannelSpec, Claim } from '../../../src/channels/backend.ts';
import type { Verdict } from '../../../src/channels/channel.ts';
import { pubsubAdapter } from '../../../src/channels/pubsub/pubsub-adapter.ts';
import { sharedServer } from '../../servers/shared.ts';
import { pubsubServer } from '../../servers/pubsub.ts';

export const PROJECT = 'demo-project';
export const GRACE_MS = 300;
export const SETTLED: Verdict = { kind: 'settled' };

/** The emulator of this run, and what to say of it in a title. */
export const server = await sharedServer(pubsubServer);
export const title = (name: string): string =>
  server.kind === 'running' ? name : `${name} (skipped: ${server.reason})`;

export type SpecOptions = Partial<Omit<ChannelSpec, 'claim'>>;

/** As the platform keeps it with the channel object. */
export function aClaim(isOurs = false): Claim & { isOurs: boolean } {
  return {
    isOurs,
    async make() {
      this.isOurs = true;
    },
  };
}

export function aSpec(options: SpecOptions = {}, claim: Claim = aClaim()): ChannelSpec {
  const name = options.name ?? `orders-${randomBytes(4).toString('hex')}`; // servers are shared
  return {
    key: `PubSubChannel/shop/${name}`,
    uid: randomUUID(),
    namespace: 'shop',
    name,
    spec: {},
    externalName: undefined,
    groups: [],
    claim,
    ...options,
  };
}

export function connectTo(address: string, graceMs = GRACE_MS): Promise<Backend> {
  const settings = { config: { project: PROJECT, 'emulator.host': address }, secret: {} };
  return pubsubAdapter.connect(settings, { clock: systemClock, random: Math.random, graceMs });
}

export async function openAt(
  address: string,
  spec: ChannelSpec = aSpec(),
): Promise<{ backend: Backend; channel: BackedChannel; spec: ChannelSpec }> {
  const backend = await connectTo(address);
  return { backend, channel: await backend.open(spec), spec };
}
