/**
 * What in the broker was made for a source, and goes with it. A broker does not tell who made a thing, so a claim is noted before
 * the thing is made: a crash between the two leaves nothing that is taken for foreign.
 */
export type Claims = {
  /** In which broker and virtual host: in another one nothing is ours. */
  readonly where: string;
  readonly exchange: boolean;
  readonly queue: boolean;
  /** The queue is bound to the exchange by bindings of ours. */
  readonly binding: boolean;
};

export const noClaims = (where: string): Claims => ({ where, exchange: false, queue: false, binding: false });

export function writeClaims(claims: Claims): string {
  return JSON.stringify(claims);
}

/** What cannot be read claims nothing: what somebody else made is never removed. */
export function readClaims(text: string | undefined): Claims | undefined {
  if (text === undefined) return undefined;
  try {
    const read: unknown = JSON.parse(text);
    const has = (name: string): boolean => Reflect.get(Object(read), name) === true;
    const where: unknown = Reflect.get(Object(read), 'where');
    if (typeof where !== 'string') return undefined;
    return { where, exchange: has('exchange'), queue: has('queue'), binding: has('binding') };
  } catch {
    return undefined;
  }
}

export function hasClaims({ exchange, queue, binding }: Claims): boolean {
  return exchange || queue || binding;
}
