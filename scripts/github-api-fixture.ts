import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Makes test/fixtures/github-api.json: what GitHub publishes of the few paths that the GitHub source calls, with every
 * reference put in place and `nullable` told as JSON Schema tells it. The package is 385 MB, so it is no dependency:
 * it is installed into a temporary folder, or read from the folder given as an argument.
 *
 *     node scripts/github-api-fixture.ts [FOLDER]
 */
const PACKAGE = '@octokit/openapi@23.0.2';
const DESCRIPTION = 'node_modules/@octokit/openapi/generated/api.github.com.json';
const FIXTURE = fileURLToPath(new URL('../test/fixtures/github-api.json', import.meta.url));

const HOOKS = ['/repos/{owner}/{repo}/hooks', '/orgs/{org}/hooks'];
const BELOW = ['', '/{hook_id}', '/{hook_id}/deliveries', '/{hook_id}/deliveries/{delivery_id}'];
/** What a check has no use for. */
const LEFT_OUT = new Set(['description', 'summary', 'tags', 'example', 'examples', 'externalDocs', 'title']);

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

const given = process.argv[2];
const folder = given ?? mkdtempSync(join(tmpdir(), 'github-api-'));
try {
  if (given === undefined)
    execFileSync('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', PACKAGE], { cwd: folder });
  const whole = JSON.parse(readFileSync(join(folder, DESCRIPTION), 'utf8')) as {
    readonly paths: Readonly<Record<string, Json>>;
  };
  const paths = HOOKS.flatMap((hooks) => BELOW.map((below) => `${hooks}${below}`));
  const kept = Object.fromEntries(paths.map((path) => [path, inPlace(whole, whole.paths[path] ?? null)]));
  writeFileSync(FIXTURE, `${JSON.stringify({ from: PACKAGE, paths: kept }, undefined, 1)}\n`);
} finally {
  if (given === undefined) rmSync(folder, { recursive: true });
}

/** The value with its references followed. */
function inPlace(whole: object, value: Json, isName = false): Json {
  if (Array.isArray(value)) return value.map((each: Json) => inPlace(whole, each));
  if (typeof value !== 'object' || value === null) return value;
  const object = value as { readonly [name: string]: Json };
  const reference = object['$ref'];
  if (typeof reference === 'string' && !isName) return inPlace(whole, at(whole, reference));
  const entries = Object.entries(object)
    // below `properties` and the like stand names, not keywords
    .filter(([name]) => isName || (!LEFT_OUT.has(name) && !name.startsWith('x-') && name !== 'nullable'))
    .map(
      ([name, each]) =>
        [name, inPlace(whole, each, !isName && (name === 'properties' || name === 'headers'))] as const,
    );
  const schema = Object.fromEntries(entries);
  return object['nullable'] === true && !isName ? { anyOf: [schema, { type: 'null' }] } : schema;
}

function at(whole: object, reference: string): Json {
  const names = reference.replace('#/', '').split('/');
  return names.reduce((value: unknown, name) => Reflect.get(Object(value), name), whole) as Json;
}
