import { parentPort } from 'node:worker_threads';
import { messageOf, PlatformError } from '../../../base/errors.ts';
import { pack, type Packed, type PackRequest } from './pack.ts';

/** One request at a time, each answered in turn. */
export type PackAnswer = { readonly packed: Packed } | { readonly code: string; readonly message: string };

parentPort?.on('message', (request: PackRequest) => parentPort?.postMessage(answerTo(request)));

function answerTo(request: PackRequest): PackAnswer {
  try {
    return { packed: pack(request) };
  } catch (error) {
    return { code: error instanceof PlatformError ? error.code : 'PUSH_FAILED', message: messageOf(error) };
  }
}
