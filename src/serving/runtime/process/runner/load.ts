import { pathToFileURL } from 'node:url';

type Callable = (...args: unknown[]) => unknown;

/** What a bundle exports, by the function contract (contract: The function contract). */
export type LoadedFunction = {
  readonly handle: Callable;
  readonly init?: Callable;
  readonly shutdown?: Callable;
  readonly liveness?: Callable & { readonly path?: string };
  readonly readiness?: Callable & { readonly path?: string };
  readonly cors?: Callable;
};

/** Imports the entry of a bundle; throws what it throws, and a sentence when it exports no function. */
export async function loadFunction(entry: string): Promise<LoadedFunction> {
  const loaded: unknown = await import(pathToFileURL(entry).href);
  const candidates = [loaded, property(loaded, 'default'), property(loaded, 'module.exports')];
  for (const candidate of candidates) {
    const handle = property(candidate, 'handle');
    if (isCallable(handle)) return withHooks(candidate, handle);
  }
  for (const candidate of candidates) if (isCallable(candidate)) return withHooks(candidate, candidate);
  throw new Error(
    `${entry} exports no function: export handle(context, event), or a function as the default`,
  );
}

function withHooks(from: unknown, handle: Callable): LoadedFunction {
  const found: Record<string, Callable> = {};
  for (const name of ['init', 'shutdown', 'liveness', 'readiness', 'cors']) {
    const hook = property(from, name);
    if (isCallable(hook)) found[name] = hook;
  }
  return { ...found, handle };
}

function property(from: unknown, name: string): unknown {
  const isContainer = (typeof from === 'object' && from !== null) || typeof from === 'function';
  return isContainer ? Reflect.get(from, name) : undefined;
}

function isCallable(value: unknown): value is Callable {
  return typeof value === 'function';
}
