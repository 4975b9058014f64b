import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostNameOf } from '../http/host-check.ts';
import { answerUnread } from '../http/respond.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * What the internal listener answers at names that no service has: until all services are known, none is told to be absent.
 * Channels answer at the listener's `own` names as soon as they are open, and tell by themselves when they are not yet.
 */
export function untilReady(
  isReady: () => boolean,
  own: ReadonlySet<string>,
  onRequest: OnRequest,
): OnRequest {
  return (request, response) => {
    const { url = '', headers } = request;
    const isForChannel = url.startsWith('/channels/') && own.has(hostNameOf(headers.host ?? ''));
    if (isReady() || isForChannel) return onRequest(request, response);
    answerUnread(request, response, 503, 'the platform is starting or stopping', { 'retry-after': '1' });
  };
}
