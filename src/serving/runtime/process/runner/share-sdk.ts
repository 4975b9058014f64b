import { readFileSync } from 'node:fs';
import { findPackageJSON, registerHooks } from 'node:module';
import { SdkEvent, SdkHttp } from '../../../../events/sdk.ts';

/** The class that a function is handed events as, and what turns one into a message. */
export type Sdk = { readonly Event: typeof SdkEvent; readonly Http: typeof SdkHttp };

const SHARED: Sdk = { Event: SdkEvent, Http: SdkHttp };
const OWN = import.meta.resolve('cloudevents');
const OWN_MAJOR = majorOf(findPackageJSON('cloudevents', import.meta.url));

/**
 * A function that imports `cloudevents` gets the copy that this runner has loaded already, when it brings none or one of
 * the same major: 0.4 ms instead of 25, and one class, so that `instanceof` holds on both sides. Of another major it
 * gets its own, and is handed events of that class.
 */
export class SdkSharing {
  #entry = import.meta.url;
  #imported: string | undefined;
  #sdk = SHARED;

  constructor() {
    registerHooks({
      resolve: (specifier, context, next) => {
        if (specifier !== 'cloudevents' || context.parentURL === undefined) return next(specifier, context);
        const brought = findOrNothing(context.parentURL);
        if (brought === undefined || majorOf(brought) === OWN_MAJOR)
          return { url: OWN, shortCircuit: true, format: 'commonjs' };
        const resolved = next(specifier, context);
        if (brought === findOrNothing(this.#entry)) this.#imported = resolved.url;
        return resolved;
      },
    });
  }

  get sdk(): Sdk {
    return this.#sdk;
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
    this.#sdk = { Event: Event as typeof SdkEvent, Http: Http as typeof SdkHttp }; // of another major: the same names
  }
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
