import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Schema from 'typebox/schema';

type Parameter = {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: object;
};
type Content = { readonly content?: Readonly<Record<string, { readonly schema: object }>> };
type Operation = {
  readonly operationId: string;
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: Content;
  readonly responses: Readonly<Record<string, Content>>;
};

/** A request that GitHub's description knows, and what is wrong with it. */
export type Matched = {
  readonly operation: Operation;
  readonly path: Readonly<Record<string, string>>;
  readonly faults: readonly string[];
};

const FILE = fileURLToPath(new URL('../fixtures/github-api.json', import.meta.url));

/** What GitHub publishes of its API (scripts/github-api-fixture.ts): whether requests and answers are as it says. */
export class GitHubOpenApi {
  readonly #paths = (
    JSON.parse(readFileSync(FILE, 'utf8')) as {
      readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
    }
  ).paths;

  /** Undefined: there is no such path, or not that method of it. */
  match(method: string, url: URL, body: unknown): Matched | undefined {
    for (const [template, operations] of Object.entries(this.#paths)) {
      const path = valuesIn(template, url.pathname);
      const operation = operations[method.toLowerCase()];
      if (path === undefined || operation === undefined) continue;
      const faults = [
        ...parameterFaults(operation, path, url.searchParams),
        ...bodyFaults(operation.requestBody, body),
      ];
      return { operation, path, faults };
    }
    return undefined;
  }

  /** What is wrong with an answer of a stand-in, going by the description; statuses it does not name are free. */
  answerFaults({ operationId, responses }: Operation, status: number, body: unknown): readonly string[] {
    const response = responses[String(status)];
    const schema = response?.content?.['application/json']?.schema;
    if (schema === undefined) return [];
    return faultsIn(schema, body).map((fault) => `answer ${status} of ${operationId}: ${fault}`);
  }
}

function valuesIn(template: string, pathname: string): Record<string, string> | undefined {
  const [names, parts] = [template.split('/'), pathname.split('/')];
  if (names.length !== parts.length) return undefined;
  const values: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    const part = decodeURIComponent(parts[i] ?? '');
    if (name.startsWith('{')) values[name.slice(1, -1)] = part;
    else if (name !== part) return undefined;
  }
  return values;
}

function parameterFaults(
  { parameters = [] }: Operation,
  path: Readonly<Record<string, string>>,
  query: URLSearchParams,
): string[] {
  const faults: string[] = [];
  for (const { name, in: place, required, schema } of parameters) {
    const written = place === 'path' ? path[name] : (query.get(name) ?? undefined);
    if (written === undefined && required === true) faults.push(`${place} parameter ${name} is missing`);
    if (written !== undefined)
      faults.push(...faultsIn(schema, typed(schema, written)).map((fault) => `${name}: ${fault}`));
  }
  const known = new Set(parameters.filter((each) => each.in === 'query').map(({ name }) => name));
  for (const name of query.keys()) if (!known.has(name)) faults.push(`query parameter ${name} is not known`);
  return faults;
}

/** Of a parameter only its text is there. */
function typed(schema: object, written: string): unknown {
  return Reflect.get(schema, 'type') === 'integer' && /^-?\d+$/.test(written) ? Number(written) : written;
}

function bodyFaults(wanted: Content | undefined, body: unknown): string[] {
  const schema = wanted?.content?.['application/json']?.schema;
  if (schema === undefined) return body === undefined ? [] : ['a body that is not asked for'];
  if (body === undefined) return [];
  return [...faultsIn(schema, body), ...strangers(schema, body, 'body')];
}

function faultsIn(schema: object, value: unknown): string[] {
  const [isValid, errors] = Schema.Errors(schema, value);
  return isValid ? [] : errors.map(({ instancePath, message }) => `${instancePath} ${message}`);
}

/** Members that are not described: GitHub ignores most of them, which is how a misspelt one goes unnoticed. */
function strangers(schema: unknown, value: unknown, at: string): string[] {
  const branches: unknown = Reflect.get(Object(schema), 'anyOf');
  const described = Array.isArray(branches) ? (branches[0] as unknown) : schema;
  const properties: unknown = Reflect.get(Object(described), 'properties');
  if (properties === undefined || typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => {
    const below: unknown = Reflect.get(Object(properties), name);
    return below === undefined ? [`${at}.${name} is not known`] : strangers(below, member, `${at}.${name}`);
  });
}
