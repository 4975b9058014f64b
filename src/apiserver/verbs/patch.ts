import type { PatchRules } from '../../apis/patch-rules.ts';
import type { Resource } from '../../apis/resource.ts';
import { ApiError, badRequest } from '../storage/api-error.ts';
import { strategicMerge } from './strategic-merge.ts';

/**
 * Applies a patch of the content type that the request names; throws 415 on those that are not there. `rules` are those of a
 * kind of Kubernetes' own: a custom resource has none, and a strategic merge patch of its lists is refused.
 */
export function applyPatch(
  contentType: string,
  stored: Resource,
  patch: unknown,
  rules?: PatchRules,
): Resource {
  switch (contentType) {
    case 'application/merge-patch+json':
      return merged(stored, patch) as Resource;
    case 'application/json-patch+json':
      return jsonPatched(stored, patch) as Resource;
    case 'application/strategic-merge-patch+json':
      if (rules !== undefined) return strategicMerge(stored, patch, rules) as Resource;
      if (needsSchema(patch))
        throw unsupported(
          'strategic merge patch of a custom resource with a list or a $directive',
          'kubectl patch --type=merge',
        );
      return merged(stored, patch) as Resource;
    case 'application/apply-patch+yaml':
      throw unsupported('server-side apply', 'kubectl apply without --server-side');
    default:
      throw unsupported(contentType, 'application/merge-patch+json');
  }
}

/** Only lists and directives make a strategic merge patch another than RFC 7386's: how lists merge stands in a kind's Go tags. */
function needsSchema(patch: unknown): boolean {
  if (Array.isArray(patch)) return true;
  return (
    isObject(patch) &&
    Object.entries(patch).some(([name, value]) => name.startsWith('$') || needsSchema(value))
  );
}

function unsupported(what: string, instead: string): ApiError {
  return new ApiError(
    415,
    'UnsupportedMediaType',
    `${what} is not supported by this version of Millrace; use ${instead}`,
  );
}

/** RFC 7386. Names like `__proto__` are members like any other, since nothing is assigned by them. */
export function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result = new Map(isObject(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) result.delete(name);
    else result.set(name, merged(result.get(name), value));
  }
  return Object.fromEntries(result);
}

type Operation = {
  readonly op: string;
  readonly path: string;
  readonly value?: unknown;
  readonly from?: string;
};

/** RFC 6902. */
function jsonPatched(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw badRequest('a JSON patch is an array of operations');
  return patch.reduce((document: unknown, operation: unknown) => {
    if (!isObject(operation) || typeof operation['path'] !== 'string' || typeof operation['op'] !== 'string')
      throw badRequest('a JSON patch operation has op and path');
    return step(document, operation as unknown as Operation);
  }, structuredClone(target));
}

function step(document: unknown, { op, path, value, from = '' }: Operation): unknown {
  switch (op) {
    case 'add':
      return change(document, path, value, 'add');
    case 'replace':
      valueIn(document, path);
      return change(document, path, value, 'replace');
    case 'remove':
      valueIn(document, path);
      return change(document, path, undefined, 'remove');
    case 'move':
      return change(change(document, from, undefined, 'remove'), path, valueIn(document, from), 'add');
    case 'copy':
      return change(document, path, structuredClone(valueIn(document, from)), 'add');
    case 'test':
      if (JSON.stringify(valueIn(document, path)) === JSON.stringify(value)) return document;
      throw new ApiError(422, 'Invalid', `testing value ${path} failed`);
    default:
      throw badRequest(`${JSON.stringify(op)} is no JSON patch operation`);
  }
}

const tokens = (path: string): string[] =>
  path
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'));

function valueIn(document: unknown, path: string): unknown {
  return tokens(path).reduce((value, token) => {
    if (Array.isArray(value) && Number(token) < value.length) return value[Number(token)] as unknown;
    if (isObject(value) && Object.hasOwn(value, token)) return value[token];
    throw new ApiError(422, 'Invalid', `the JSON patch names ${path}, which is not there`);
  }, document);
}

type How = 'add' | 'replace' | 'remove';

function change(document: unknown, path: string, value: unknown, how: How): unknown {
  return changeAt(document, tokens(path), value, how, path);
}

/** Of tokens, not of text: a name may hold a slash, as those of labels do. */
function changeAt(
  document: unknown,
  [token, ...rest]: readonly string[],
  value: unknown,
  how: How,
  path: string,
): unknown {
  if (token === undefined) return value;
  if (['__proto__', 'constructor', 'prototype'].includes(token))
    throw badRequest(`the JSON patch names ${path}`);
  if (Array.isArray(document)) {
    const index = token === '-' ? document.length : Number(token);
    if (!Number.isInteger(index) || index < 0 || index > document.length)
      throw new ApiError(422, 'Invalid', `the JSON patch names ${path}, which is not there`);
    if (rest.length > 0) return document.with(index, changeAt(document[index], rest, value, how, path));
    return how === 'replace'
      ? document.with(index, value)
      : document.toSpliced(index, how === 'remove' ? 1 : 0, ...(how === 'remove' ? [] : [value]));
  }
  if (!isObject(document))
    throw new ApiError(422, 'Invalid', `the JSON patch names ${path}, which is not there`);
  if (rest.length > 0) return { ...document, [token]: changeAt(document[token], rest, value, how, path) };
  const { [token]: _removed, ...others } = document;
  return how === 'remove' ? others : { ...document, [token]: value };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
