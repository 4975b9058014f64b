import { BlockList, isIP } from 'node:net';

/** Networks as `10.0.0.0/8`, or single addresses; what is none of these is told by name. */
export function parseNetworks(
  written: string,
): { readonly networks: readonly string[] } | { readonly fault: string } {
  const networks = written
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const odd = networks.find((each) => partsOf(each) === undefined);
  return odd === undefined ? { networks } : { fault: odd };
}

/** Whether an address is in one of some networks, which parseNetworks() has read. */
export function inNetworks(networks: readonly string[]): (address: string) => boolean {
  if (networks.length === 0) return () => false;
  const list = new BlockList();
  for (const network of networks) {
    const parts = partsOf(network);
    if (parts !== undefined) list.addSubnet(parts.address, parts.bits, parts.family);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4');
  };
}

type Parts = { readonly address: string; readonly bits: number; readonly family: 'ipv4' | 'ipv6' };

function partsOf(network: string): Parts | undefined {
  const [, address = '', bits] = /^([0-9a-f.:]+)(?:\/(\d{1,3}))?$/i.exec(network) ?? [];
  const version = isIP(address);
  if (version === 0) return undefined;
  const max = version === 6 ? 128 : 32;
  const length = bits === undefined ? max : Number(bits);
  return length > max ? undefined : { address, bits: length, family: version === 6 ? 'ipv6' : 'ipv4' };
}
