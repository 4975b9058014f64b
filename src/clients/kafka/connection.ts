import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { kafkaCode } from './faults.ts';
import type { Broker, Metadata, PoolConnection, Protocol, SilentLogger } from './protocol.ts';
import type { Address, KafkaSettings } from './settings.ts';

/** Longer than a broker takes for anything but a rebalance; a connection that is silent for so long is half-open. */
export const REQUEST_MAX_MS = 5000;
const CONNECT_MAX_MS = 3000;
const LATE_CHECK_MS = 500;
const METADATA_AGE_MAX_MS = 10_000;

export type TopicInfo = {
  /** The leader of each partition, by partition. */
  readonly leaders: readonly number[];
  readonly replicas: number;
  readonly atMs: number;
};

/**
 * The brokers of one cluster, each connected to when it is first asked. Whoever waits long (a fetch, a join) has a
 * connection of its own, since a broker answers one connection's requests in turn.
 *   N1  a broker whose socket has closed is never asked again; the next request opens a new one.
 *   N2  close() ends every socket at once, and rejects what waits.
 */
export class KafkaConnection {
  readonly #protocol: Protocol;
  readonly #settings: KafkaSettings;
  readonly #onCut: () => void;
  readonly #brokers = new Map<string, Broker>(); // by host:port
  readonly #sockets = new Set<Socket>();
  readonly #topics = new Map<string, TopicInfo>();
  #nodes = new Map<number, Address>();
  #controller = -1;
  #isClosed = false;

  /** `onCut` is called when a socket has closed that we did not close. */
  constructor(protocol: Protocol, settings: KafkaSettings, onCut: () => void = () => undefined) {
    this.#protocol = protocol;
    this.#settings = settings;
    this.#onCut = onCut;
  }

  get protocol(): Protocol {
    return this.#protocol;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What the cluster says of these topics; of all of them when none is named. Rejects when one is not there. */
  async metadata(topics: readonly string[]): Promise<Metadata> {
    const metadata = await (await this.any()).metadata(topics);
    this.#nodes = new Map(metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    this.#controller = metadata.controllerId;
    const atMs = Date.now();
    for (const { topic, partitionMetadata } of metadata.topicMetadata) {
      const leaders: number[] = [];
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      this.#topics.set(topic, { leaders, replicas: partitionMetadata[0]?.replicas.length ?? 1, atMs });
    }
    return metadata;
  }

  /** A topic as it was lately, or as it is now; undefined when it is not there. */
  async topic(name: string, isFresh = false): Promise<TopicInfo | undefined> {
    const known = this.#topics.get(name);
    if (!isFresh && known !== undefined && Date.now() - known.atMs < METADATA_AGE_MAX_MS) return known;
    try {
      await this.metadata([name]);
    } catch (error) {
      if (kafkaCode(error) !== 'UNKNOWN_TOPIC_OR_PARTITION') throw error;
      this.#topics.delete(name);
    }
    return this.#topics.get(name);
  }

  /** What is known of a topic without asking. */
  knownTopic(name: string): TopicInfo | undefined {
    return this.#topics.get(name);
  }

  async node(nodeId: number): Promise<Broker> {
    if (!this.#nodes.has(nodeId)) await this.metadata([]);
    const address = this.#nodes.get(nodeId);
    if (address === undefined) throw new Error(`broker ${nodeId} is not in the cluster now`);
    return this.#connected(address);
  }

  async coordinator(groupId: string): Promise<Broker> {
    const { coordinator } = await (await this.any()).findGroupCoordinator({ groupId, coordinatorType: 0 });
    return this.#connected(coordinator);
  }

  async controller(): Promise<Broker> {
    if (!this.#nodes.has(this.#controller)) await this.metadata([]);
    return this.node(this.#controller);
  }

  async every(): Promise<readonly Broker[]> {
    if (this.#nodes.size === 0) await this.metadata([]);
    return Promise.all(this.#nodes.values().map((address) => this.#connected(address)));
  }

  /** Any broker that can be reached: one that is connected, else each known address in turn. */
  async any(): Promise<Broker> {
    let fault: unknown = new Error('no broker is known');
    const addresses = [...this.#nodes.values(), ...this.#settings.seeds];
    const connected = addresses.find(({ host, port }) => this.#brokers.has(`${host}:${port}`));
    for (const address of connected === undefined ? addresses : [connected, ...addresses]) {
      try {
        return await this.#connected(address);
      } catch (error) {
        fault = error;
      }
    }
    throw fault;
  }

  /** N2 */
  close(): void {
    this.#isClosed = true;
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was closed'));
  }

  /** Ends every socket, so that what comes next opens new ones. */
  reset(): void {
    for (const socket of this.#sockets) socket.destroy(new Error('the connection was given up'));
  }

  async #connected({ host, port }: Address): Promise<Broker> {
    if (this.#isClosed) throw new Error('the connection was closed');
    const name = `${host}:${port}`;
    const known = this.#brokers.get(name);
    const broker = known ?? this.#make({ host, port }, name);
    this.#brokers.set(name, broker);
    try {
      await broker.connect();
      return broker;
    } catch (error) {
      if (this.#brokers.get(name) === broker) this.#brokers.delete(name);
      throw error;
    }
  }

  #make({ host, port }: Address, name: string): Broker {
    const { Broker, ConnectionPool } = this.#protocol;
    const sockets = new Set<Socket>();
    const forget = (broker: Broker, socket: Socket): void => {
      if (!this.#sockets.delete(socket)) return;
      if (this.#brokers.get(name) === broker) this.#brokers.delete(name); // N1
      for (const other of sockets) if (other !== socket) other.destroy(new Error('the connection was cut'));
      if (!this.#isClosed) this.#onCut();
    };
    const connectionPool = new ConnectionPool({
      host,
      port,
      clientId: `millrace@${hostname()}`,
      ssl: this.#settings.ssl,
      sasl: this.#settings.sasl === null ? null : { ...this.#settings.sasl }, // kafkajs writes into it
      connectionTimeout: CONNECT_MAX_MS,
      requestTimeout: REQUEST_MAX_MS,
      logger: SILENT,
      socketFactory: ({ onConnect }) => {
        const socket = this.#socket({ host, port }, onConnect);
        this.#sockets.add(socket);
        sockets.add(socket);
        // Heard here before the pool hears it, so that nobody who is told by it comes to this broker again (N1).
        for (const end of ['end', 'error', 'close']) socket.once(end, () => forget(broker, socket));
        return socket;
      },
    });
    const broker: Broker = new Broker({
      connectionPool,
      logger: SILENT,
      nodeId: null,
      authenticationTimeout: CONNECT_MAX_MS,
      allowAutoTopicCreation: false,
    });
    for (const connection of connectionPool.pool) mend(connection);
    return broker;
  }

  #socket({ host, port }: Address, onConnect: () => void): Socket {
    const { ssl } = this.#settings;
    const socket =
      ssl === null
        ? connectTcp({ host, port, noDelay: true }, onConnect)
        : connectTls({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...ssl }, onConnect);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    return socket;
  }
}

/**
 * Faults of kafkajs 2.2.4, mended on each connection: it asks for a timer of negative time after every answer, which Node
 * warns of and which then runs each millisecond for ever (its issue 1751); two requests at once on a connection that is not
 * open yet open it twice (1755); and it looks for late answers ten times a second, which is most of what an idle connection
 * costs.
 */
function mend(connection: PoolConnection): void {
  const queue = connection.requestQueue;
  queue.scheduleRequestTimeoutCheck = () => {
    queue.destroy();
    queue.requestTimeoutIntervalId = setInterval(() => {
      for (const request of queue.inflight.values())
        if (Date.now() - request.sentAt > request.requestTimeout) request.timeoutRequest();
      if (!queue.isConnected()) queue.destroy();
    }, LATE_CHECK_MS);
  };
  queue.scheduleCheckPendingRequests = () => {
    if (queue.pending.length === 0 || queue.throttleCheckTimeoutId !== null) return;
    const waitMs = Math.max(queue.throttledUntil - Date.now(), 10);
    queue.throttleCheckTimeoutId = setTimeout(() => {
      queue.throttleCheckTimeoutId = null;
      queue.checkPendingRequests();
    }, waitMs);
  };
  const open = connection.connect.bind(connection);
  let opening: Promise<unknown> | undefined;
  connection.connect = () => (opening ??= open().finally(() => (opening = undefined)));
}

const nothing = (): void => undefined;
const SILENT: SilentLogger = {
  info: nothing,
  error: nothing,
  warn: nothing,
  debug: nothing,
  namespace: () => SILENT,
};
