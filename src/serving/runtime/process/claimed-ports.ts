import { createServer } from 'node:net';
import { freePort } from './ports.ts';

/** Below it ports are those of the machine's own services. */
const LOWEST = 1024;

/**
 * Ports of this machine that programs have been given. PORT is what the manifest says (knative specs, runtime-contract.md) as
 * long as nobody on the machine has that port; else it is any that is free.
 */
export class ClaimedPorts {
  readonly #claimed = new Set<number>();

  /** To be released once the program has ended. */
  async claim(wanted: number | undefined): Promise<number> {
    const isMine = wanted !== undefined && wanted >= LOWEST && !this.#claimed.has(wanted);
    if (!isMine) return freePort();
    this.#claimed.add(wanted); // before anybody else asks
    if (await isFree(wanted)) return wanted;
    this.#claimed.delete(wanted);
    return freePort();
  }

  release(port: number): void {
    this.#claimed.delete(port);
  }
}

/** At all addresses, as programs listen. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, () => server.close(() => resolve(true)));
  });
}
