import type { Request } from './inbound.ts';

/** One request that an instance has answered. */
export type LoggedRequest = {
  readonly request: Pick<Request, 'method' | 'target' | 'host' | 'headers' | 'rawHeaders' | 'origin'>;
  readonly revision: string; // namespace/name
  readonly instance: string;
  readonly code: number;
  readonly bytes: number; // of the answer's body
  readonly tookMs: number;
};

/** Where requests are written down, when that is asked for; asked before anything is made for it. */
export interface RequestLog {
  readonly isOn: boolean;
  write(logged: LoggedRequest): void;
}
