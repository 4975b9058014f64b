/**
 * The one value that travels along the whole pipeline.
 *   E1  `body` is never parsed: the bytes that came in are the bytes that go out (promise P3).
 *   E2  `attributes` holds required and optional attributes and extensions alike, decoded, in the order they came; no
 *       value is added or rewritten. `datacontenttype` is not among them: it is `contentType`.
 *   E3  what was absent stays absent: no `time`, no `contentType` is made up.
 */
export type CloudEvent = {
  readonly attributes: ReadonlyMap<string, string>;
  /** `datacontenttype`; in binary mode the Content-Type header. */
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  /** Headers of the request that travel along, by lower-case name (eventing pkg/utils/headers.go); absent when none. */
  readonly headers?: ReadonlyMap<string, string>;
};
