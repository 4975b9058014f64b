import { readFileSync } from 'node:fs';
import { createRequire, findPackageJSON, registerHooks } from 'node:module';
import type { SdkEvent, SdkHttp } from '../../../../events/sdk.ts';

/** The class that a function is handed events as, and what turns one into a message. */
export type Sdk = { readonly Event: typeof SdkEvent; readonly Http: typeof SdkHttp };

/** What hands the SDK out; it is loaded by who first needs it, which takes a third of a runner's whole start. */
export type SdkSource = {
  readonly sdk: Sdk;
  /** The runner's own, whatever the bundle brings: what writes replies. */
  readonly Http: Sdk['Http'];
  /** Whether it is of a class that is handed out; as long as nobody has needed one, nothing can be. */
  isInstance(value: unknown): boolean;
};

const OWN = import.meta.resolve('cloudevents');
const OWN_MAJOR = majorOf(findPackageJSON('cloudevents', import.meta.url));

/**
 * A function that imports `cloudevents` gets the copy that this runner has loaded already, when it brings none or one of
 * the same major: 0.4 ms instead of 25, and one class, so that `instanceof` holds on both sides. Of another major it
 * gets its own, and is handed events of that class.
 */
export class SdkSharing implements SdkSource {
  #entry = import.meta.url;
  #imported: string | undefined;
  #isHandedOut = false;
  #shared: Sdk | undefined;
  #brought: Sdk | undefined;

  constructor() {
    registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier !== 'cloudevents' || context.parentURL === undefined) return next(specifier, context);
        const brought = findOrNothing(context.parentURL);
        if (brought === undefined || majorOf(brought) === OWN_MAJOR) {
          this.#isHandedOut = true;
          return { url: OWN, shortCircuit: true, format: 'commonjs' };
        }
        const resolved = next(specifier, context);
        if (brought === findOrNothing(this.#entry)) this.#imported = resolved.url;
        return resolved;
      },
    });
  }

  get sdk(): Sdk {
    return this.#brought ?? this.#own;
  }

  get Http(): Sdk['Http'] {
    return this.#own.Http;
  }

  isInstance(value: unknown): boolean {
    const shared = this.#isHandedOut ? this.#own : this.#shared;
    return [shared, this.#brought].some((sdk) => sdk !== undefined && value instanceof sdk.Event);
  }

  get #own(): Sdk {
    return (this.#shared ??= loaded());
  }

  /** From now on `url` is the function's entry: what it finds as `cloudevents` counts as the bundle's own. */
  enter(url: string): void {
    this.#entry = url;
  }

  /** Takes over the copy that the bundle has imported, when that is one of another major; costs nothing otherwise. */
  async settle(): Promise<void> {
    if (this.#imported === undefined) return;
    const loaded: unknown = await import(this.#imported); // loaded already: this only finds it
    const [Event, Http] = [exported(loaded, 'CloudEvent'), exported(loaded, 'HTTP')];
    if (typeof Event !== 'function' || typeof Http !== 'object' || Http === null) return;
    this.#brought = { Event: Event as typeof SdkEvent, Http: Http as typeof SdkHttp }; // of another major: the same names
  }
}

function loaded(): Sdk {
  const file = import.meta.url.endsWith('.ts') ? 'sdk.ts' : 'sdk.js';
  const module: unknown = createRequire(import.meta.url)(`../../../../events/${file}`);
  const { SdkEvent: Event, SdkHttp: Http } = module as { SdkEvent: typeof SdkEvent; SdkHttp: typeof SdkHttp }; // what it exports
  return { Event, Http };
}

function exported(from: unknown, name: string): unknown {
  const named: unknown = Reflect.get(Object(from), name);
  return named ?? Reflect.get(Object(Reflect.get(Object(from), 'default')), name);
}

function findOrNothing(from: string): string | undefined {
  try {
    return findPackageJSON('cloudevents', from);
  } catch {
    return undefined; // the bundle does not bring it
  }
}

function majorOf(packageJson: string | undefined): string | undefined {
  if (packageJson === undefined) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(packageJson, 'utf8'));
  return String(Reflect.get(Object(parsed), 'version')).split('.')[0];
}
