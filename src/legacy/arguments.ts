import type { Parameter } from '../apis/legacy/channels/bus.ts';
import type { Argument } from '../apis/legacy/channels/channel.ts';

export type Given =
  | { readonly kind: 'given'; readonly values: ReadonlyMap<string, string> }
  | { readonly kind: 'fault'; readonly message: string };

/** The arguments over the defaults of the parameters; a parameter without either is a fault, as it was then. */
export function givenArguments(
  bus: string,
  parameters: readonly Parameter[] = [],
  argumentList: readonly Argument[] = [],
): Given {
  const values = new Map(argumentList.map(({ name = '', value = '' }) => [name, value]));
  for (const { name = '', default: fallback, description } of parameters) {
    if (values.has(name)) continue;
    if (fallback === undefined) {
      const what = description === undefined ? '' : ` (${description})`;
      return { kind: 'fault', message: `${bus} requires the argument ${name}${what}` };
    }
    values.set(name, fallback);
  }
  return { kind: 'given', values };
}

/** Arguments of the 0.2 channels were free JSON. */
export function plainArguments(free: Readonly<Record<string, unknown>> = {}): ReadonlyMap<string, string> {
  const scalar = Object.entries(free).filter(([, value]) => ['string', 'number'].includes(typeof value));
  return new Map(scalar.map(([name, value]) => [name, String(value)]));
}
