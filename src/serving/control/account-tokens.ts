/** What a volume asks of the API's tokens (core/v1 ServiceAccountTokenProjection). */
export type AskedToken = {
  readonly namespace: string;
  readonly account: string;
  readonly audience: string | undefined; // undefined: the API's own
  readonly expirationSeconds: number;
};

export type AccountToken =
  | {
      readonly kind: 'token';
      readonly token: string;
      /** It is to be had anew by then, and is another from then on. */ readonly renewAtMs: number;
    }
  | { readonly kind: 'missing'; readonly reason: string };

/** Tokens of service accounts; the same one is given for the same question until it is to be renewed. */
export type AccountTokens = (asked: AskedToken) => Promise<AccountToken>;

/** For a queue of work: what holds a token that is to be renewed by then has another turn. */
export function againAfter(
  renewAtMs: number | undefined,
  nowMs: number,
): { readonly againAfterMs: number } | undefined {
  return renewAtMs === undefined ? undefined : { againAfterMs: Math.max(0, renewAtMs - nowMs) };
}
