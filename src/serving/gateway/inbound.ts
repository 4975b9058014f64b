import type { IncomingHttpHeaders } from 'node:http';
import type { Readable, Writable } from 'node:stream';
import type { Origin } from './origin.ts';
import type { Refusal } from './refusal.ts';

/** One request of a client, in whichever protocol it came. */
export type Request = {
  readonly method: string;
  readonly target: string; // a path and its query
  readonly host: string; // as it was written
  readonly origin: Origin;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they were written; in HTTP/2 its own (`:path`) among them. */
  readonly rawHeaders: readonly string[];
  /** Whether the client sends no byte of its body before it is told to (`Expect: 100-continue`). */
  readonly asksToContinue: boolean;
};

/** The head of an answer; `headers` are names and values in turn, without those of the connection. */
export type Head = {
  readonly code: number;
  readonly message: string | undefined;
  readonly headers: string[];
  /** Nothing follows it. */
  readonly isAll: boolean;
  readonly mayTrail: boolean;
  /** It names what will trail (`Trailer`). */
  readonly announces: boolean;
};

/** A request and the way to answer it. */
export interface Inbound extends Request {
  /** What follows the head; undefined: nothing does, and no trailers. */
  readonly body: Readable | undefined;
  /** What came after the body, names and values in turn; known once it has ended. */
  readonly trailers: readonly string[];
  /** Takes the body of the answer, and tells when the client has gone ('close'). */
  readonly stream: Writable;
  readonly hasBegun: boolean;
  /** Says `100 Continue`. */
  proceed(): void;
  begin(head: Head): void;
  /** Ends the answer as whole; it may be shorter than the request. */
  end(trailers: readonly string[]): void;
  /** Ends it so that the client cannot take it for whole. */
  cut(): void;
  /** Answers in its place, or cuts what has begun. */
  refuse(refusal: Refusal): void;
}

/** RFC 9112, 6.3: a request with neither has no body, whatever its method. */
export function saysBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

/** Names and values in turn as an object, those that are repeated as lists. */
export function objectOf(pairs: readonly string[]): Record<string, string | string[]> {
  const out: Record<string, string | string[]> = {};
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [name = '', value = ''] = [pairs[i], pairs[i + 1]];
    const before = out[name];
    out[name] = before === undefined ? value : [...[before].flat(), value];
  }
  return out;
}
