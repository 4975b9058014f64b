import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { bridge } from '../process/network/bridge.ts';
import { nativeUrl } from '../process/native-url.ts';
import { freePort } from '../process/ports.ts';
import type { HostRoute } from '../process/runner-protocol.ts';
import type { Engine } from './engine.ts';
import { isKnown } from '../shared/is-known.ts';
import { NameServer } from '../shared/name-server.ts';

export type Inside = {
  /** Asked at each start: which names our own listeners answer for. */
  readonly routes: () => readonly HostRoute[];
  /** Whether a name is one inside the cluster, now. */
  readonly isName: (host: string) => boolean;
  /** Told of the address by which containers reach the events listener. */
  readonly onAddress: (address: string) => void;
};

/** What a container is given so that it finds the platform; nothing of it where the platform cannot be reached. */
export type Found = {
  readonly env: Readonly<Record<string, string>>;
  readonly dns: { readonly servers: readonly string[]; readonly search: readonly string[] } | undefined;
};

const EVENTS = '.svc.cluster.local';
const API = 'kubernetes.default.svc';
const [HTTP, HTTPS, DOMAIN] = [80, 443, 53];

/** By which clients of Kubernetes find the API in a Pod. */
const API_ENV = { KUBERNETES_SERVICE_HOST: API, KUBERNETES_SERVICE_PORT: String(HTTPS) };

/**
 * How containers reach the platform: doors on the address that this machine has in the engine's network, which lead to the
 * events listener and to the API, and a name server there.
 *   O1  they serve only containers of this run: what is behind them asks for no credentials.
 *   O2  where the address is not one of this machine (an engine in a machine of its own), there is none, and containers
 *       start without; where 53 or 80 may not be had, names are not found, and K_SINK still works.
 */
export class WaysOut {
  readonly #engine: Engine;
  readonly #inside: Inside | undefined;
  readonly #isOurs: (address: string) => boolean;
  readonly #doors = new Map<number, Server>(); // by port
  #names: NameServer | undefined;
  #address: string | undefined;
  #port: number | undefined;
  #isOpen = false;
  #opening: Promise<void> | undefined;

  /** `isOurs`: whether it is the address of a container of this run. */
  constructor(engine: Engine, inside: Inside | undefined, isOurs: (address: string) => boolean) {
    this.#engine = engine;
    this.#inside = inside;
    this.#isOurs = isOurs;
  }

  /** Opens what is not open yet; may be called often, and is again once a container runs: then there surely is a network. */
  async open(): Promise<void> {
    if (this.#isOpen || this.#inside === undefined) return;
    this.#opening ??= this.#open(this.#inside).finally(() => (this.#opening = undefined));
    await this.#opening;
  }

  /** For a container of a namespace, with its variables. */
  found(namespace: string, { K_SINK }: Readonly<Record<string, string>>): Found {
    const [address, port] = [this.#address, this.#port];
    if (address === undefined || port === undefined) return { env: {}, dns: undefined };
    const routes = this.#inside?.routes() ?? [];
    const hosts = routes.map((route) => ({ ...route, host: address, port }));
    const search = [`${namespace}.svc.cluster.local`, 'svc.cluster.local', 'cluster.local'];
    return {
      env: {
        ...(this.#names !== undefined && this.#doors.has(HTTPS) && API_ENV),
        ...(K_SINK !== undefined && { K_SINK: nativeUrl(atDoor(K_SINK, routes, address, port), hosts) }),
      },
      dns: this.#names === undefined ? undefined : { servers: [address], search },
    };
  }

  close(): void {
    this.#isOpen = true; // nothing is opened any more
    this.#names?.close();
    for (const door of this.#doors.values()) door.close();
  }

  async #open({ routes, isName, onAddress }: Inside): Promise<void> {
    const address = await this.#gateway();
    const events = routes().find(({ suffix }) => suffix === EVENTS);
    if (address === undefined || events === undefined) return;
    if (this.#address !== address) onAddress(address);
    this.#address = address;
    this.#port ??= await freePort();
    await this.#listen(address, this.#port, events); // the engine makes the address with the first container
    await this.#listen(address, HTTP, events);
    const api = routes().find(({ suffix }) => suffix === API);
    if (api !== undefined) await this.#listen(address, HTTPS, api);
    if (!this.#doors.has(HTTP)) return;
    const isOurs = this.#isOurs;
    this.#names ??= await NameServer.open({ address, port: DOMAIN, isName, isOurs }).catch(() => undefined);
    this.#isOpen = this.#names !== undefined;
  }

  /** The address of this machine in the engine's network (Docker Engine API 1.41, NetworkInspect). */
  async #gateway(): Promise<string | undefined> {
    const { status, body } = await this.#engine.ask('GET', '/networks/bridge');
    if (status >= 300) return undefined;
    const { IPAM } = body as { readonly IPAM?: { readonly Config?: readonly { Gateway?: string }[] | null } };
    return IPAM?.Config?.find(({ Gateway = '' }) => /^\d+(\.\d+){3}$/.test(Gateway))?.Gateway;
  }

  async #listen(address: string, port: number, to: HostRoute): Promise<void> {
    if (this.#doors.has(port)) return;
    const door = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      void this.#letIn(socket, to);
    });
    try {
      const listening = once(door, 'listening');
      door.listen(port, address);
      await listening;
      door.on('error', () => undefined);
      this.#doors.set(port, door.unref());
    } catch {
      door.close(); // O2; the next start tries again
    }
  }

  /** O1 */
  async #letIn(socket: Socket, { host, port }: HostRoute): Promise<void> {
    socket.on('error', () => undefined);
    const { remoteAddress = '' } = socket;
    if (!(await isKnown(remoteAddress, this.#isOurs))) return void socket.destroy();
    bridge(socket, port, host);
    socket.resume();
  }
}

/** A URL of one of our listeners, by the door that leads to it. */
function atDoor(url: string, routes: readonly HostRoute[], address: string, port: number): string {
  if (!URL.canParse(url)) return url;
  const { protocol, hostname, port: of, pathname, search } = new URL(url);
  const events = routes.find(({ suffix }) => suffix === EVENTS);
  if (protocol !== 'http:' || hostname !== events?.host || Number(of || HTTP) !== events.port) return url;
  return `http://${address}:${port}${pathname}${search}`;
}
