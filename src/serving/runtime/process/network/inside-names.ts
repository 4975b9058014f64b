import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';
import { NameServer } from '../../shared/name-server.ts';
import type { HostRoute } from '../runner-protocol.ts';
import type { MarkedRules } from './marked-rules.ts';

export type InsideNamesOptions = {
  readonly rules: MarkedRules;
  /** Asked when it is opened: where our own listeners are. */
  readonly routes: () => readonly HostRoute[];
  readonly isName: ((host: string) => boolean) | undefined;
  /** What is written for programs to find it by. */
  readonly file: string;
};

const HOST = '127.0.0.1';
const EVENTS = '.svc.cluster.local';
const API = 'kubernetes.default.svc';
const [HTTP, HTTPS, DOMAIN] = ['80', '443', '53'];
const RESOLV_CONF = '/etc/resolv.conf';

/**
 * How programs on the machine's network find names inside the cluster: a name server of ours, at an address of this machine's
 * loopback that is nobody else's; names inside lead to that address, its port 80 to the internal door and 443 to the API. These
 * are rules and no listeners, since nobody could listen on 53 or 80 of all addresses beside one. As root, and with iptables.
 */
export class InsideNames {
  readonly #options: InsideNamesOptions;
  #opening: Promise<string | undefined> | undefined;
  #server: NameServer | undefined;
  #address: string | undefined;

  constructor(options: InsideNamesOptions) {
    this.#options = options;
  }

  /** Where programs that have our file ask for names; undefined: they have the machine's own. */
  get address(): string | undefined {
    return this.#address;
  }

  /** The file to be shown to programs for their resolv.conf; undefined where names inside cannot be led. */
  open(): Promise<string | undefined> {
    return (this.#opening ??= this.#open().catch(() => undefined)); // as it is without
  }

  close(): void {
    this.#server?.close();
  }

  async #open(): Promise<string | undefined> {
    const { rules, routes, isName, file } = this.#options;
    const door = routes().find(({ suffix }) => suffix === EVENTS);
    if (door?.host !== HOST || isName === undefined || !rules.arePossible || !existsSync(RESOLV_CONF))
      return undefined;
    const address = `127.213.${randomInt(256)}.${randomInt(1, 255)}`;
    const socket = createSocket('udp4');
    const listening = once(socket, 'listening');
    socket.bind(0, HOST);
    await listening;
    this.#server = NameServer.on({ address, isName, isOurs: () => true }, socket);
    const output = { table: 'nat', chain: 'OUTPUT' } as const;
    const to = (protocol: string, port: string): string[] => ['-d', address, '-p', protocol, '--dport', port];
    await rules.add(output, to('udp', DOMAIN), ['DNAT', '--to-destination', `${HOST}:${this.#server.port}`]);
    await rules.add(output, to('tcp', HTTP), ['DNAT', '--to-destination', `${HOST}:${door.port}`]);
    const api = routes().find(({ suffix }) => suffix === API);
    if (api?.host === HOST)
      await rules.add(output, to('tcp', HTTPS), ['DNAT', '--to-destination', `${HOST}:${api.port}`]);
    const others = readFileSync(RESOLV_CONF, 'utf8')
      .split('\n')
      .filter((line) => !/^\s*nameserver\s/.test(line));
    writeFileSync(file, [`nameserver ${address}`, ...others].join('\n'), { mode: 0o644 });
    this.#address = address;
    return file;
  }
}
