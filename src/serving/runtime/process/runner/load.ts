export type Hook = ((...args: unknown[]) => unknown) & { readonly path?: string };

/** What a bundle exports, by the function contract (contract: The function contract). */
export type LoadedFunction = {
  readonly handle: Hook;
  readonly init?: Hook;
  readonly shutdown?: Hook;
  readonly liveness?: Hook;
  readonly readiness?: Hook;
  readonly cors?: Hook;
};

const HOOKS = ['init', 'shutdown', 'liveness', 'readiness', 'cors'] as const;

/** Imports the entry of a bundle; throws what it throws, and a sentence when it exports no function. */
export async function loadFunction(entryUrl: string): Promise<LoadedFunction> {
  const loaded: unknown = await import(entryUrl);
  // ESM; `module.exports`; and `exports.default` of what was compiled to CommonJS.
  const standard = property(loaded, 'default');
  const candidates = [loaded, standard, property(standard, 'default')];
  for (const candidate of candidates) {
    const handle = property(candidate, 'handle');
    if (isHook(handle)) return withHooks(candidate, handle);
  }
  for (const candidate of candidates) if (isHook(candidate)) return withHooks(candidate, candidate);
  throw new Error('it exports no function: export handle(context, event), or a function as the default');
}

function withHooks(from: unknown, handle: Hook): LoadedFunction {
  const found: Partial<Record<(typeof HOOKS)[number], Hook>> = {};
  for (const name of HOOKS) {
    const hook = property(from, name);
    if (isHook(hook)) found[name] = hook;
  }
  return { ...found, handle };
}

function property(from: unknown, name: string): unknown {
  const isContainer = (typeof from === 'object' && from !== null) || typeof from === 'function';
  return isContainer ? Reflect.get(from, name) : undefined;
}

function isHook(value: unknown): value is Hook {
  return typeof value === 'function';
}
