import { dirname, normalize } from 'node:path';
import { parseAst } from 'vite';

/** One place where a file names another module. */
export type Import = {
  /** The importing file, as a path under src/. */
  readonly file: string;
  /** A path under src/ when `isOwn`, else a package name. */
  readonly target: string;
  readonly isOwn: boolean;
  /** `url` when it is only named, by `new URL('./x.ts', import.meta.url)`: that starts a worker or a process. */
  readonly by: 'import' | 'url';
  /** The names taken, as the other module calls them. */
  readonly names: readonly string[];
};

/** Stands for the target of an import whose module name is computed at run time. */
export const COMPUTED = '(computed)';

type Node = { readonly type: string; readonly [field: string]: unknown };

/** Every import in `code`: static, of types, dynamic, `require`, and URLs relative to the file. */
export function importsOf(file: string, code: string): Import[] {
  const found: Import[] = [];
  for (const node of walk(parseAst(code, { lang: 'ts' }))) {
    const reference = referenceIn(node);
    if (reference === undefined) continue;
    const written = literalText(reference.source) ?? COMPUTED;
    if (reference.by === 'url' && !/\.[cm]?[jt]s$/.test(written)) continue; // the URL of a page or a fixture
    const isOwn = written.startsWith('.');
    const target = isOwn ? normalize(`${dirname(file)}/${written}`) : written;
    found.push({ file, target, isOwn, by: reference.by, names: namesTaken(node) });
  }
  return found;
}

function referenceIn(node: Node): { source: unknown; by: Import['by'] } | undefined {
  switch (node.type) {
    case 'ImportDeclaration':
    case 'ExportNamedDeclaration':
    case 'ExportAllDeclaration':
    case 'ImportExpression':
    case 'TSImportType':
      return node['source'] ? { source: node['source'], by: 'import' } : undefined;
    case 'TSExternalModuleReference':
      return { source: node['expression'], by: 'import' };
    case 'CallExpression':
      return identifier(node['callee']) === 'require'
        ? { source: first(node['arguments']), by: 'import' }
        : undefined;
    case 'NewExpression': {
      const isRelative = [...walk(second(node['arguments']))].some(({ type }) => type === 'MetaProperty');
      return identifier(node['callee']) === 'URL' && isRelative
        ? { source: first(node['arguments']), by: 'url' }
        : undefined;
    }
    default:
      return undefined;
  }
}

function* walk(value: unknown): Generator<Node> {
  if (Array.isArray(value)) {
    for (const each of value) yield* walk(each);
  } else if (isNode(value)) {
    yield value;
    for (const field of Object.values(value)) yield* walk(field);
  }
}

function namesTaken(node: Node): string[] {
  return [...walk(node['specifiers'])].flatMap((each) => identifier(each['imported'] ?? each['local']) ?? []);
}

/** The text of a string literal, or of a template with nothing to fill in. */
function literalText(value: unknown): string | undefined {
  if (!isNode(value)) return undefined;
  if (typeof value['value'] === 'string') return value['value'];
  const quasis = [...walk(value['quasis'])];
  const cooked: unknown =
    quasis.length === 1 ? Reflect.get(Object(quasis[0]?.['value']), 'cooked') : undefined;
  return typeof cooked === 'string' ? cooked : undefined;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string';
}

function identifier(value: unknown): string | undefined {
  return isNode(value) && typeof value['name'] === 'string' ? value['name'] : undefined;
}

const first = (values: unknown): unknown => (Array.isArray(values) ? values[0] : undefined);
const second = (values: unknown): unknown => (Array.isArray(values) ? values[1] : undefined);
