/**
 * What a relay is told over the IPC channel of node:child_process. It runs in the network namespace of an instance; a
 * listening socket that is handed over stays in the namespace in which it was made, so one that the platform has opened
 * leads in, and one that the relay has opened leads out.
 */
export type ToRelay =
  /** With a server: what connects to it goes to this port inside. Without: what is told of an earlier one of that name. */
  | { readonly kind: 'lead'; readonly door: number; readonly to: number }
  /** Whether something accepts on a port inside; answered by `asked`. */
  | { readonly kind: 'ask'; readonly question: number; readonly port: number; readonly timeoutMs: number }
  /** To listen on a port inside, or on any when that cannot be; answered by `opened`, with the server. */
  | { readonly kind: 'open'; readonly question: number; readonly port: number }
  /** To take questions for names at an address inside; answered by `opened`, with the socket or without. */
  | { readonly kind: 'names'; readonly question: number; readonly address: string };

export type FromRelay =
  | { readonly kind: 'up' }
  | { readonly kind: 'asked'; readonly question: number; readonly fault: string | undefined }
  | { readonly kind: 'opened'; readonly question: number; readonly port: number };
