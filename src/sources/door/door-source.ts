import type { IncomingHttpHeaders } from 'node:http';
import type { CloudEvent } from '../../events/event.ts';

/** A request as it came: nothing of its body has been parsed. */
export type DoorRequest = {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
};

/** What a source makes of a request. */
export type Reading =
  /** `id`: how the sender names the delivery, so that a repetition can be told; undefined: it names none. */
  | { readonly kind: 'event'; readonly event: CloudEvent; readonly id: string | undefined }
  | {
      readonly kind: 'answer';
      readonly code: number;
      readonly reason: string;
      /** In place of the reason, for senders that read the answer. */
      readonly body?: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** A source that others push to: what the door has to know of it. */
export interface DoorSource {
  readonly origin: string; // Kind/namespace/name, as signals name it
  readonly uid: string;
  /** Undefined until the sink has an address. */
  readonly sinkUrl: string | undefined;
  readonly dedupeMs: number; // 0: repetitions are events like any other
  read(request: DoorRequest): Reading | Promise<Reading>;
  /** The answer to OPTIONS; without it the method is refused. */
  handshake?(headers: IncomingHttpHeaders): Readonly<Record<string, string>>;
}

/** A header that is there once, and not empty. */
export function headerOnce({ headers, rawHeaders }: DoorRequest, name: string): string | undefined {
  const value = headers[name];
  if (typeof value !== 'string' || value === '') return undefined;
  let times = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const written = rawHeaders[i] ?? '';
    if (written.length === name.length && written.toLowerCase() === name) times += 1;
  }
  return times === 1 ? value : undefined;
}

/** The media type of the body, in lower case and without parameters; empty when none is given. */
export function mediaTypeOf({ headers }: Pick<DoorRequest, 'headers'>): string {
  const written = headers['content-type'] ?? '';
  if (written === 'application/json') return written;
  return written.split(';', 1)[0]?.trim().toLowerCase() ?? '';
}
