import { isDeepStrictEqual } from 'node:util';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { Backend, BackendAdapter, BackendTools, Settings } from '../backend.ts';

/**
 * The one connection to a broker that the channels of a kind share. It connects when the first of them asks, once for
 * all who ask meanwhile, and anew after a loss or when its settings have changed.
 */
export class Connection {
  readonly #load: () => Promise<BackendAdapter>;
  readonly #tools: BackendTools;
  readonly #configMap: string;
  readonly #old = new Set<Promise<unknown>>();
  #settings: Settings | undefined;
  #connecting: Promise<Backend> | undefined;
  #isClosed = false;

  constructor(adapter: { configMap: string; load: () => Promise<BackendAdapter> }, tools: BackendTools) {
    this.#load = adapter.load;
    this.#configMap = adapter.configMap;
    this.#tools = tools;
  }

  /** Whether these are new, so that what is open has to open anew. */
  setSettings(settings: Settings | undefined): boolean {
    if (isDeepStrictEqual(settings, this.#settings)) return false;
    this.#settings = settings;
    this.#leave();
    return true;
  }

  /** Rejects with a PlatformError that says what is missing, or what the broker said. */
  backend(): Promise<Backend> {
    return (this.#connecting ??= this.#connect());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leave();
    await Promise.all(this.#old);
  }

  async #connect(): Promise<Backend> {
    const settings = this.#settings;
    try {
      if (this.#isClosed)
        throw new PlatformError('CHANNEL_CLOSED', 'the platform stops', { retryable: false });
      if (settings === undefined) throw unset(this.#configMap);
      const adapter = await this.#load();
      const backend = await adapter.connect(settings, this.#tools);
      const forget = (): void => {
        if (settings === this.#settings) this.#leave();
      };
      if (backend.lost.aborted) forget();
      else backend.lost.addEventListener('abort', forget, { once: true });
      return backend;
    } catch (error) {
      if (settings === this.#settings) this.#connecting = undefined;
      throw error;
    }
  }

  /** What is open on it closes by itself; the connection ends behind that. */
  #leave(): void {
    const connecting = this.#connecting;
    this.#connecting = undefined;
    if (connecting === undefined) return;
    const ended = connecting.then(
      (backend) => backend.close(),
      () => undefined, // who asked was told
    );
    const settled = ended.catch(() => undefined); // it is gone, or will be
    this.#old.add(settled);
    void settled.then(() => this.#old.delete(settled));
  }
}

function unset(configMap: string): PlatformError {
  const message = `ConfigMap knative-eventing/${configMap} does not say where the broker is`;
  return new PlatformError('BACKEND_SETTINGS_INVALID', message, { retryable: true });
}

/** A problem as a PlatformError, whatever was thrown at a library's edge. */
export function faultOf(error: unknown): PlatformError {
  if (error instanceof PlatformError) return error;
  return new PlatformError('BACKEND_REFUSED', messageOf(error), { retryable: true, cause: error });
}
