import { once } from 'node:events';
import { Socket as DatagramSocket } from 'node:dgram';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../../../../base/errors.ts';
import { within } from '../../../../base/within.ts';
import { Child, failed, failedBy } from '../child.ts';
import type { FromRelay, ToRelay } from './relay-protocol.ts';

const RELAY_MAIN = import.meta.url.endsWith('.ts')
  ? new URL('./relay/main.ts', import.meta.url)
  : new URL('./relay/main.js', import.meta.url);
const HOST = '127.0.0.1';
const UP_TIMEOUT_MS = 10_000;
/** The relay answers at once; what it is asked to try has a time of its own. */
const ANSWER_TIMEOUT_MS = 5000;
/** The loopback of a new namespace is down. */
const withLoopback = (addresses: readonly string[]): string =>
  [
    'ip link set lo up || ifconfig lo up || exit 1',
    ...addresses.map((address) => `ip addr add ${address}/32 dev lo 2> /dev/null`),
    'exec "$@"',
  ].join('; ');

export type OwnNetworkOptions = {
  readonly token: string;
  /** What starts a command in a new namespace: unshare with its flags. */
  readonly unshare: readonly string[];
  /** What starts one in that of a process: nsenter with its flags, without `--target`. */
  readonly nsenter: readonly string[];
  readonly onSpawn: (child: Child) => void;
  /** IPv4 addresses that are its own, beside 127.0.0.0/8. */
  readonly addresses?: readonly string[];
};

type Answer = { readonly message: FromRelay; readonly server: Server | DatagramSocket | undefined };

/**
 * A network namespace for the containers of one instance, with a loopback of its own and no other way out than what is
 * opened here. It is held by a relay, and ends with that and the last process in it.
 */
export class OwnNetwork {
  readonly #relay: Child;
  readonly #nsenter: readonly string[];
  readonly #doors = new Map<number, Promise<number>>(); // by the port inside
  readonly #questions = new Map<number, PromiseWithResolvers<Answer>>();
  #asked = 0;
  readonly #out: { close(): unknown }[] = [];

  private constructor(relay: Child, nsenter: readonly string[]) {
    this.#relay = relay;
    this.#nsenter = nsenter;
    void relay.ended.then(() => {
      for (const { reject } of this.#questions.values()) reject(lost());
    });
  }

  /** Resolves when its relay is up; rejects with what kept it from that. */
  static async open({
    token,
    unshare,
    nsenter,
    onSpawn,
    addresses = [],
  }: OwnNetworkOptions): Promise<OwnNetwork> {
    const relay = new Child({
      command: [process.execPath, '--no-warnings', fileURLToPath(RELAY_MAIN)],
      env: {},
      cwd: '/',
      hasIpc: true,
      token,
      wrapper: [...unshare, '--', '/bin/sh', '-c', withLoopback(addresses), 'sh'],
    });
    onSpawn(relay);
    const network = new OwnNetwork(relay, nsenter);
    const up = Promise.withResolvers<void>();
    relay.process.on('message', (message: FromRelay, handle: unknown) => {
      if (message.kind === 'up') up.resolve();
      else network.#hear({ message, server: handle as Answer['server'] });
    });
    void relay.ended.then((ended) => up.reject(failedBy(ended)));
    try {
      await within(UP_TIMEOUT_MS, up.promise, () =>
        failed('ContainerCannotRun', `a network of its own is not there within ${UP_TIMEOUT_MS} ms`),
      );
      return network;
    } catch (error) {
      await relay.stop(0);
      throw error;
    }
  }

  /** Resolves when its relay is gone, and with it every way in and out; never rejects. */
  get ended(): Promise<unknown> {
    return this.#relay.ended;
  }

  get isGone(): boolean {
    return this.#relay.isGone;
  }

  /** What to put before a command, so that it has this network; it begins in `cwd`, unless what follows goes elsewhere. */
  enter(cwd: string | undefined): readonly string[] {
    return [
      ...this.#nsenter,
      `--target=${this.#relay.pid}`,
      ...(cwd === undefined ? [] : [`--wd=${cwd}`]),
      '--',
    ];
  }

  /** A port of this machine's loopback that leads to this port inside. */
  doorTo(port: number): Promise<number> {
    const door = this.#doors.get(port) ?? this.#openDoor(port);
    this.#doors.set(port, door);
    return door;
  }

  /** Lets a door lead elsewhere from now on. */
  lead(door: number, to: number): void {
    this.#send({ kind: 'lead', door, to });
  }

  /** Whether something accepts on a port inside; why not, otherwise. */
  async accepts(port: number, timeoutMs: number): Promise<string | undefined> {
    try {
      const { message } = await this.#ask(
        (question) => ({ kind: 'ask', question, port, timeoutMs }),
        timeoutMs,
      );
      return message.kind === 'asked' ? message.fault : undefined;
    } catch (error) {
      return messageOf(error);
    }
  }

  /** Listens inside, on this port where that can be, and hands what connects to `take`; resolves with the port. */
  async openOut(port: number, take: (server: Server) => Server): Promise<number> {
    const { message, server } = await this.#ask((question) => ({ kind: 'open', question, port }), 0);
    if (server === undefined || server instanceof DatagramSocket || message.kind !== 'opened') throw lost();
    this.#out.push(take(server));
    return message.port;
  }

  /** Takes questions for names at an address inside; undefined where that cannot be. */
  async openNames<T extends { close(): void }>(
    address: string,
    take: (socket: DatagramSocket) => T,
  ): Promise<T | undefined> {
    const { server } = await this.#ask((question) => ({ kind: 'names', question, address }), 0);
    if (!(server instanceof DatagramSocket)) return undefined;
    const taken = take(server);
    this.#out.push(taken);
    return taken;
  }

  /** Of the process that holds it. */
  get pid(): number {
    return this.#relay.pid;
  }

  async close(): Promise<void> {
    for (const server of this.#out) server.close();
    await this.#relay.stop(0);
  }

  async #openDoor(to: number): Promise<number> {
    const server = createServer();
    server.listen(0, HOST);
    await once(server, 'listening');
    const { port: door } = server.address() as AddressInfo; // a TCP server that listens has one
    await new Promise<void>((resolve) => {
      this.#send({ kind: 'lead', door, to }, server, () => server.close(() => resolve()));
    });
    return door;
  }

  async #ask(make: (question: number) => ToRelay, timeoutMs: number): Promise<Answer> {
    this.#asked += 1;
    const question = this.#asked;
    const answer = Promise.withResolvers<Answer>();
    this.#questions.set(question, answer);
    if (this.isGone) answer.reject(lost());
    this.#send(make(question));
    try {
      return await within(timeoutMs + ANSWER_TIMEOUT_MS, answer.promise, lost);
    } finally {
      this.#questions.delete(question);
    }
  }

  #hear(answer: Answer): void {
    if (answer.message.kind !== 'up') this.#questions.get(answer.message.question)?.resolve(answer);
  }

  /** When the channel is broken the relay is at its end, and that is told. */
  #send(message: ToRelay, server?: Server, sent: () => void = () => undefined): void {
    this.#relay.process.send(message, server, {}, sent);
  }
}

const lost = (): Error => failed('ContainerCannotRun', 'the relay of its network has ended');
