import { spawnSync } from 'node:child_process';
import { getServers } from 'node:dns';
import { existsSync } from 'node:fs';
import type { Child } from '../child.ts';
import type { HostRoute } from '../runner-protocol.ts';
import { NameServer } from '../../shared/name-server.ts';
import { OwnNetwork } from './own-network.ts';
import { MarkedRules } from './marked-rules.ts';
import { Uplinks } from './uplink.ts';
import { forwarding, proxyEnv, proxying } from './way-out.ts';

/** A network as the containers of an instance find it. */
export type Furnished = {
  readonly network: OwnNetwork;
  /** What our own listeners are reached by inside. */
  readonly routes: readonly HostRoute[];
  readonly env: Readonly<Record<string, string>>;
};

/** Names inside the cluster: whether one is, now. */
export type IsName = (host: string) => boolean;

export type NetworksOptions = {
  readonly isName?: IsName | undefined;
  /** Absent: of its own, which nobody removes. */
  readonly rules?: MarkedRules;
  /** Another address by which programs ask for names. */
  readonly namesAt?: () => string | undefined;
  readonly token: string;
  readonly onSpawn: (child: Child) => void;
};

const found = (name: string): string | undefined =>
  [`/usr/bin/${name}`, `/bin/${name}`].find((path) => existsSync(path));
const TRIAL_TIMEOUT_MS = 5000;
const HOST = '127.0.0.1';
const [HTTP, HTTPS] = [80, 443];
const EVENTS = '.svc.cluster.local';
const API = 'kubernetes.default.svc';

/** Whom this machine asks for names, by IPv4. */
const resolvers = (): readonly string[] => getServers().filter((server) => /^\d+(\.\d+){3}$/.test(server));

/** Network namespaces for instances; and finds out once whether they are allowed here. */
export class Networks {
  readonly #options: NetworksOptions;
  readonly #flags = process.getuid?.() === 0 ? ['--net'] : ['--user', '--map-root-user', '--net'];
  readonly #uplinks: Uplinks;
  #why: { readonly why: string | undefined } | undefined;
  #spare: Promise<OwnNetwork> | undefined;
  #isClosed = false;

  constructor(options: NetworksOptions) {
    this.#options = options;
    const { rules = new MarkedRules(options.token, '') } = options;
    this.#uplinks = new Uplinks({ rules, nsenter: [found('nsenter') ?? 'nsenter', '--net'] });
  }

  /** Why no instance can have a network of its own; undefined when one can. */
  get why(): string | undefined {
    return (this.#why ??= { why: this.#findOut() }).why;
  }

  /** One of its own, with ways out to our listeners and by an HTTP proxy; `kept` are ports that its programs want. */
  async take(outside: readonly HostRoute[], kept: ReadonlySet<number>): Promise<Furnished> {
    const network = await this.#takeOne();
    try {
      const names = this.#openNames(network, outside, kept);
      const ports = new Map<string, number>();
      for (const { host, port } of outside) {
        const place = `${host}:${port}`;
        if (ports.has(place)) continue;
        ports.set(place, await network.openOut(kept.has(port) ? 0 : port, forwarding({ host, port })));
      }
      const routes = outside.map((route) => ({
        ...route,
        host: '127.0.0.1',
        port: ports.get(`${route.host}:${route.port}`) ?? route.port,
      }));
      await names;
      return { network, routes, env: proxyEnv(await network.openOut(0, proxying(outside))) };
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Has one ready for the next that asks; called when nobody waits for an answer. */
  prepare(): void {
    if (this.#isClosed || this.#spare !== undefined) return;
    const spare = this.#open();
    this.#spare = spare;
    spare.catch(() => {
      if (this.#spare === spare) this.#spare = undefined; // whoever needs one is told why there is none
    });
  }

  /** What it has started is ended by who was told of it. */
  close(): void {
    this.#isClosed = true;
  }

  /**
   * Names are asked for where the machine's programs ask for them, and answered by the platform: those inside the cluster lead
   * to the internal door, or to the API, all others are the machine's to know.
   */
  async #openNames(
    network: OwnNetwork,
    outside: readonly HostRoute[],
    kept: ReadonlySet<number>,
  ): Promise<void> {
    const { isName, namesAt } = this.#options;
    const inside = outside.find(({ suffix }) => suffix === EVENTS);
    if (isName === undefined || inside === undefined) return;
    // What a container wants for itself it has: names then lead nowhere, and K_SINK and the proxy do.
    const isLed = !kept.has(HTTP) && (await network.openOut(HTTP, forwarding(inside))) === HTTP;
    const api = outside.find(({ suffix }) => suffix === API);
    if (api !== undefined && !kept.has(HTTPS)) await network.openOut(HTTPS, forwarding(api));
    const options = { address: HOST, isName: (name: string) => isLed && isName(name), isOurs: () => true };
    await Promise.all(
      [...resolvers(), namesAt?.() ?? []]
        .flat()
        .map((address) => network.openNames(address, (socket) => NameServer.on(options, socket))),
    );
  }

  async #takeOne(): Promise<OwnNetwork> {
    const spare = this.#spare;
    this.#spare = undefined;
    const ready = await spare?.catch(() => undefined);
    return ready === undefined || ready.isGone ? this.#open() : ready;
  }

  async #open(): Promise<OwnNetwork> {
    const { token, onSpawn } = this.#options;
    const into = this.#flags.includes('--user') ? ['--user', '--preserve-credentials', '--net'] : ['--net'];
    const network = await OwnNetwork.open({
      token,
      onSpawn,
      addresses: resolvers().filter((address) => !address.startsWith('127.')),
      unshare: [found('unshare') ?? 'unshare', ...this.#flags],
      nsenter: [found('nsenter') ?? 'nsenter', ...into],
    });
    await this.#uplinks.connect(network.pid);
    return network;
  }

  #findOut(): string | undefined {
    const [unshare, nsenter] = [found('unshare'), found('nsenter')];
    if (unshare === undefined || nsenter === undefined)
      return 'unshare and nsenter, of util-linux, are not there';
    const trial = ['--', '/bin/sh', '-c', 'ip link set lo up || ifconfig lo up'];
    const { status, stderr } = spawnSync(unshare, [...this.#flags, ...trial], { timeout: TRIAL_TIMEOUT_MS });
    if (status === 0) return undefined;
    return stderr.toString().trim().split('\n')[0] || 'the kernel did not say why';
  }
}
