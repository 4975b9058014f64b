import { randomUUID } from 'node:crypto';
import { systemClock } from '../../../src/base/clock.ts';
import type { BackedChannel, Backend, ChannelSpec } from '../../../src/channels/backend.ts';
import { rabbitmqAdapter } from '../../../src/channels/rabbitmq/rabbitmq-adapter.ts';

export const GRACE_MS = 200;

/** Connects as a platform with these settings does. */
export function connectTo(
  address: string,
  more: { graceMs?: number; config?: Record<string, string> } = {},
): Promise<Backend> {
  const settings = { config: more.config ?? {}, secret: { uri: address } };
  const tools = { clock: systemClock, random: Math.random, graceMs: more.graceMs ?? GRACE_MS };
  return rabbitmqAdapter.connect(settings, tools);
}

/** A channel of its own, that a test may open many times. */
export function aChannelSpec(name = `orders-${randomUUID()}`, more: Partial<ChannelSpec> = {}): ChannelSpec {
  let isOurs = false;
  const claim = {
    get isOurs() {
      return isOurs;
    },
    async make() {
      isOurs = true;
    },
  };
  return {
    key: `RabbitmqChannel/demo/${name}`,
    uid: randomUUID(),
    namespace: 'demo',
    name,
    spec: {},
    externalName: undefined,
    groups: [],
    claim,
    ...more,
  };
}

/** Platforms and their channels, all closed and removed by release(). */
export class World {
  readonly address: string;
  readonly #backends: Backend[] = [];
  readonly #channels = new Map<string, BackedChannel>();

  constructor(address: string) {
    this.address = address;
  }

  async platform(address = this.address, more: Parameters<typeof connectTo>[1] = {}): Promise<Backend> {
    const backend = await connectTo(address, more);
    this.#backends.push(backend);
    return backend;
  }

  async open(spec: ChannelSpec, backend?: Backend): Promise<BackedChannel> {
    const channel = await (backend ?? (await this.platform())).open(spec);
    this.#channels.set(spec.name, channel);
    return channel;
  }

  async release(): Promise<void> {
    await Promise.all(this.#backends.splice(0).map((backend) => backend.close()));
    this.#channels.clear();
  }
}
