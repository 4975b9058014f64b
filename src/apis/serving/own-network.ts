import { invalidValue } from '../field-error.ts';
import type { FieldError } from '../kind.ts';

/**
 * Annotation of a revision: `own` gives its instances a network of their own, in which any port is free; `host` never does.
 * Without it they get one when their program turns out to insist on a port.
 */
export const NETWORK = 'runtime.millrace.dev/network';

type Annotations = Readonly<Record<string, string>>;

export function networkErrors({ [NETWORK]: written }: Annotations): FieldError[] {
  return written === undefined || isNetwork(written)
    ? []
    : [invalidValue(written, NETWORK, 'it is own or host')];
}

/** Undefined: whatever its program turns out to need. */
export function networkOf({ [NETWORK]: written }: Annotations): 'own' | 'host' | undefined {
  return isNetwork(written) ? written : undefined;
}

function isNetwork(written: string | undefined): written is 'own' | 'host' {
  return written === 'own' || written === 'host';
}
