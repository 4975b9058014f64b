import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, type Dispatcher } from 'undici';
import { PlatformError } from '../base/errors.ts';
import { HEADER_BYTES_MAX } from './header-limit.ts';

export type LocalAddress = { readonly host: string; readonly port: number };

export type OutboundOptions = {
  /** Which of our own listeners answers for a host name and port, by TLS or not; undefined: whatever DNS says. */
  readonly route: (hostname: string, port: number, isSecure: boolean) => LocalAddress | undefined;
  /** How names are resolved; the system's way unless given. */
  readonly resolve?: typeof lookup;
  readonly connectTimeoutMs?: number;
  /** An idle connection is closed after this long, and its pool with the last of them. */
  readonly idleTimeoutMs?: number;
};

/**
 * The way out for events: an undici Agent with one pool for each host that URLs name (H3). It bounds nothing but the
 * time to connect: how many requests are under way, and for how long, is the caller's to bound. No redirects are
 * followed, since undici follows none.
 */
export function createOutbound({
  route,
  resolve = lookup,
  connectTimeoutMs = 10_000,
  idleTimeoutMs = 30_000,
}: OutboundOptions): Dispatcher {
  const connect = buildConnector({ timeout: connectTimeoutMs, lookup: checked(resolve), allowH2: false });
  return new Agent({
    allowH2: false,
    keepAliveTimeout: idleTimeoutMs,
    keepAliveMaxTimeout: idleTimeoutMs,
    maxHeaderSize: HEADER_BYTES_MAX, // a reply may have as large attributes as an event that comes in
    headersTimeout: 0, // each attempt has a deadline of its own, over all of its phases
    bodyTimeout: 0,
    pipelining: 1,
    connect: (options, callback) => {
      const { hostname, protocol } = options;
      const isSecure = protocol === 'https:';
      const local = route(hostname, Number(options.port) || (isSecure ? 443 : 80), isSecure);
      if (local !== undefined) {
        return connect({ ...options, hostname: local.host, port: String(local.port) }, callback);
      }
      const literal = hostname.replace(/^\[|\]$/g, '');
      if (isIP(literal) !== 0 && isForbidden(literal)) return callback(forbidden(literal), null);
      return connect(options, callback);
    },
  });
}

/**
 * Addresses that no event is sent to, whoever asks: link-local ones with the metadata services of clouds, "this network"
 * and multicast. Loopback and private networks are where a user's services live.
 */
const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4');
FORBIDDEN.addSubnet('0.0.0.0', 8, 'ipv4');
FORBIDDEN.addSubnet('224.0.0.0', 4, 'ipv4');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
FORBIDDEN.addSubnet('ff00::', 8, 'ipv6');
FORBIDDEN.addAddress('fd00:ec2::254', 'ipv6');
FORBIDDEN.addAddress('::', 'ipv6');
FORBIDDEN.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6'); // 169.254.0.0/16 through NAT64
FORBIDDEN.addSubnet('2002:a9fe::', 32, 'ipv6'); // and through 6to4

export function isForbidden(address: string): boolean {
  return FORBIDDEN.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function forbidden(address: string): PlatformError {
  return new PlatformError('ADDRESS_FORBIDDEN', `${address} is link-local, multicast or a metadata address`, {
    retryable: false,
  });
}

/** Checks what a name resolves to at the moment of connecting, so that a name cannot change in between. */
function checked(resolve: typeof lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '');
      const bad = addresses.find(({ address }) => isForbidden(address));
      if (bad !== undefined) return callback(forbidden(bad.address), '');
      if (options.all === true) return callback(null, addresses);
      callback(null, addresses[0]?.address ?? '', addresses[0]?.family);
    });
  };
}
