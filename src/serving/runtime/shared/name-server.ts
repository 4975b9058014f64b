import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { getServers } from 'node:dns';
import { isKnown } from './is-known.ts';
import { answerTo, NAME_ERROR, questionOf, refusalOf, SERVER_FAILURE, type Question } from './dns.ts';

export type NameServerOptions = {
  /** Where it listens, and what names of ours lead to. */
  readonly address: string;
  readonly port: number;
  readonly isName: (name: string) => boolean;
  /** Whether it is the address of somebody who may ask (O1): it answers nobody else. */
  readonly isOurs: (address: string) => boolean;
  /** `host` or `host:port` of whom others are asked for; by default whom this machine asks. */
  readonly upstream?: string | undefined;
};

const INSIDE = '.cluster.local';
const ANSWER_TIMEOUT_MS = 5000;
/** Questions at a time; more are not answered, and asked again. */
const PENDING_MAX = 512;

/** Answers for names inside the cluster, and passes all other questions on as they are. */
export class NameServer {
  readonly #options: NameServerOptions;
  readonly #socket: Socket;
  #pending = 0;
  #isClosed = false;

  private constructor(options: NameServerOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    socket.on('error', () => undefined); // whoever asked asks again
    socket.on('message', (packet, from) => void this.#hear(packet, from));
  }

  /** Rejects with what the kernel says when it may not listen there. */
  static async open(options: NameServerOptions): Promise<NameServer> {
    const socket = createSocket('udp4');
    try {
      const listening = once(socket, 'listening');
      socket.bind(options.port, options.address);
      await listening;
    } catch (error) {
      socket.close();
      throw error;
    }
    return new NameServer(options, socket.unref());
  }

  /** On a socket that listens already. */
  static on(options: Omit<NameServerOptions, 'port'>, socket: Socket): NameServer {
    return new NameServer({ ...options, port: 0 }, socket.unref());
  }

  get port(): number {
    return this.#socket.address().port;
  }

  close(): void {
    this.#isClosed = true;
    this.#socket.close();
  }

  async #hear(packet: Buffer, from: RemoteInfo): Promise<void> {
    const question = questionOf(packet);
    if (question === undefined || this.#pending >= PENDING_MAX) return;
    this.#pending += 1;
    try {
      if (!(await isKnown(from.address, this.#options.isOurs))) return;
      const answer = await this.#answer(packet, question);
      if (!this.#isClosed) this.#socket.send(answer, from.port, from.address);
    } finally {
      this.#pending -= 1;
    }
  }

  async #answer(packet: Buffer, question: Question): Promise<Buffer> {
    const { name, isAddress } = question;
    const { isName, address } = this.#options;
    if (isName(name)) return isAddress ? answerTo(packet, question, address) : refusalOf(packet, question, 0);
    if (`.${name}`.endsWith(INSIDE)) return refusalOf(packet, question, NAME_ERROR);
    return this.#passOn(packet, question);
  }

  async #passOn(packet: Buffer, question: Question): Promise<Buffer> {
    const [host, port = '53'] = (this.#options.upstream ?? getServers().find(isIpv4) ?? '').split(':');
    if (host === undefined || host === '') return refusalOf(packet, question, SERVER_FAILURE);
    const socket = createSocket('udp4');
    try {
      socket.send(packet, Number(port), host);
      const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
      const [answer] = (await once(socket, 'message', { signal })) as [Buffer];
      return answer;
    } catch {
      return refusalOf(packet, question, SERVER_FAILURE);
    } finally {
      socket.close();
    }
  }
}

const isIpv4 = (server: string): boolean => /^\d+(\.\d+){3}(:\d+)?$/.test(server);
