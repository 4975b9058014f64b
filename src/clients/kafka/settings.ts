export type Address = { readonly host: string; readonly port: number };

/** How to reach and to convince a cluster. */
export type KafkaSettings = {
  readonly seeds: readonly Address[];
  readonly ssl: { readonly ca?: string; readonly cert?: string; readonly key?: string } | null;
  readonly sasl: Sasl | null;
};

export type Sasl = {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
};

/** By the names that Kafka has for them. */
export const MECHANISMS: ReadonlyMap<string, Sasl['mechanism']> = new Map([
  ['PLAIN', 'plain'],
  ['SCRAM-SHA-256', 'scram-sha-256'],
  ['SCRAM-SHA-512', 'scram-sha-512'],
]);

/** `host:port`; undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/.exec(text.trim());
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65_535) return undefined;
  return { host: match[1] ?? match[2] ?? '', port };
}

export function addressesOf({ seeds }: KafkaSettings): string {
  return seeds.map(({ host, port }) => `${host}:${port}`).join(',');
}
