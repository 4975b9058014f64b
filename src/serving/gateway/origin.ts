/** Where a request comes from. */
export type Origin = {
  /** The address at the other end of the connection. */
  readonly peer: string;
  /** It came by TLS. */
  readonly isSecure: boolean;
  /** What it says itself of where it comes from (X-Forwarded-*, Forwarded) is believed. */
  readonly isTrusted: boolean;
};

export function originOf(
  peer: string,
  isSecure: boolean,
  { trusts }: { readonly trusts: (address: string) => boolean },
): Origin {
  const address = peer.startsWith('::ffff:') ? peer.slice(7) : peer; // IPv4, as a listener on :: sees it
  return { peer: address, isSecure, isTrusted: trusts(address) };
}
