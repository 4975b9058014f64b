import { arch, cpus, hostname, networkInterfaces, release, totalmem } from 'node:os';
import { keyOf, type Resource } from '../../apis/resource.ts';
import type { Informers } from '../../control/informer.ts';
import type { ResourceClient } from '../../control/resource-client.ts';
import { instanceSuffix } from '../../serving/instance-name.ts';
import type { Endpoints } from '../options.ts';
import {
  NODE,
  POD,
  SELF_LABEL,
  selfObjects,
  SERVICE,
  type SelfFacts,
  type SelfObject,
} from './self-objects.ts';

const KINDS = [NODE, SERVICE, POD];
const ANY_ADDRESS = new Set(['0.0.0.0', '::']);

/** What there is to know, of this machine and of where its listeners are. */
export function selfFacts(
  { gateway, gatewayTls, api, events }: Pick<Endpoints, 'gateway' | 'gatewayTls' | 'api' | 'events'>,
  versions: Pick<SelfFacts, 'version' | 'kubernetes'>,
  startedMs: number,
): SelfFacts {
  return {
    ...versions,
    startedMs,
    hostName: hostname(),
    gateway: placeOf(gateway),
    ...(gatewayTls !== undefined && { secureGateway: placeOf(gatewayTls) }),
    api: placeOf(api),
    inside: placeOf(events),
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: `${release()} ${arch()}`,
    pid: process.pid,
  };
}

/** Where a listener is reached, from here or, when it listens on all addresses, from others. */
export function placeOf(url: string): SelfFacts['gateway'] {
  const { hostname: host, port, protocol } = new URL(url);
  const bare = host.replace(/^\[|\]$/g, '');
  return {
    host: ANY_ADDRESS.has(bare) ? outerAddress() : bare,
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
  };
}

/** The first address that others reach this machine at; its own when it has none. */
function outerAddress(): string {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

/** Writes the platform's own objects, and brings back what somebody deletes of them. */
export class SelfKeeper {
  readonly #client: ResourceClient;
  readonly #facts: SelfFacts;
  readonly #onError: (error: unknown) => void;
  /** What this run has written, by kind and key: the Pods of a former run are not brought back. */
  readonly #written = new Set<string>();
  #work: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(client: ResourceClient, facts: SelfFacts, onError: (error: unknown) => void) {
    this.#client = client;
    this.#facts = facts;
    this.#onError = onError;
  }

  /** Begins to write them: nobody who starts a platform waits for that. */
  start(informers: Informers): void {
    this.#then(async () => {
      await this.#removeFormer();
      await Promise.all(this.#wanted().map((object) => this.#write(object)));
    });
    for (const kind of KINDS)
      informers.of(kind).onChange((object, type) => {
        if (type === 'DELETED' && isOwn(object)) this.#bringBack(object);
      });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#work;
  }

  #wanted(): readonly SelfObject[] {
    return selfObjects(this.#facts, () => instanceSuffix(Math.random));
  }

  async #removeFormer(): Promise<void> {
    const { items } = await this.#client.list(POD);
    for (const pod of items.filter(isOwn))
      await this.#client.remove(POD, pod.metadata.namespace, pod.metadata.name);
  }

  #bringBack(gone: Resource): void {
    if (this.#isClosed || !this.#written.delete(nameOf(gone))) return;
    const isSame = (object: SelfObject): boolean =>
      gone.kind === 'Pod'
        ? object.kind === 'Pod' && object.metadata.labels?.['app'] === gone.metadata.labels?.['app']
        : object.kind === gone.kind && keyOf(object) === keyOf(gone);
    const object = this.#wanted().find(isSame);
    if (object === undefined) return;
    this.#then(() => this.#write(object));
  }

  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step).catch(this.#onError);
  }

  async #write(object: SelfObject): Promise<void> {
    this.#written.add(nameOf(object));
    const stored = await this.#client.apply(object);
    if (object.status === undefined) return;
    await this.#client.patchStatus({ ...stored, status: object.status } as SelfObject);
  }
}

const nameOf = (object: Resource): string => `${object.kind} ${keyOf(object)}`;

function isOwn({ metadata }: Resource): boolean {
  return metadata.labels?.[SELF_LABEL] === 'true';
}
