import type { IncomingHttpHeaders } from 'node:http';

const EVENT = /^application\/cloudevents/i;
const GRPC = /^application\/grpc/i;

/**
 * Whether an answer that runs out of time after it has begun is ended there with words to say so, as upstream does (serving
 * pkg/http/handler/timeout.go; TestRevisionTimeout). It is cut where that could be taken for something else: an event, either
 * way, gRPC, a body with a length or an encoding.
 *
 * @param answer names and values in turn
 */
export function endsInWords(request: IncomingHttpHeaders, answer: readonly string[]): boolean {
  if (request['ce-specversion'] !== undefined || EVENT.test(request['content-type'] ?? '')) return false;
  for (let i = 0; i + 1 < answer.length; i += 2) {
    const [name = '', value = ''] = [answer[i]?.toLowerCase(), answer[i + 1]];
    if (name === 'content-length' || name === 'content-encoding' || name === 'ce-specversion') return false;
    if (name === 'content-type' && (EVENT.test(value) || GRPC.test(value))) return false;
  }
  return true;
}
