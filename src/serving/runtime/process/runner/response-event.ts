import type { Sdk } from './share-sdk.ts';

/** Fields of an event, one call each; `response()` makes it, and throws when the SDK finds one missing or wrong. */
export type ResponseBuilder = {
  version(specversion: string): ResponseBuilder;
  id(id: string): ResponseBuilder;
  type(type: string): ResponseBuilder;
  source(source: string): ResponseBuilder;
  response(): unknown;
};

/** `context.cloudEventResponse(data)` of faas-js-runtime: `.id(…).source(…).type(…).version(…).response()`. */
export function responseTo(data: unknown, { Event }: Sdk): ResponseBuilder {
  const fields: Record<string, unknown> = { data };
  const set =
    (name: string) =>
    (value: string): ResponseBuilder => {
      fields[name] = value;
      return builder;
    };
  const builder: ResponseBuilder = {
    version: set('specversion'),
    id: set('id'),
    type: set('type'),
    source: set('source'),
    response: () => new Event(fields as ConstructorParameters<Sdk['Event']>[0]),
  };
  return builder;
}
