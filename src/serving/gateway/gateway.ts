import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { hostNameOf } from '../../http/host-check.ts';
import type { Http2Call } from '../../http/http2-server.ts';
import type { RoutePlan } from '../plan.ts';
import { Http1Inbound } from './http1-inbound.ts';
import { Http2Inbound } from './http2-inbound.ts';
import type { Inbound } from './inbound.ts';
import type { InstanceLinks } from './instance-links.ts';
import { Passage } from './passage.ts';
import type { GatewayPool } from './pool.ts';
import { answerProbe } from './probe.ts';
import { originOf, type Origin } from './origin.ts';
import { redirectTo } from './redirect.ts';
import type { Refusal } from './refusal.ts';
import type { RequestLog } from './request-log.ts';
import { drawTaker, type Taker, type Unanswered } from './taker.ts';
import { endSocket } from './upgrade.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/** What a listener is to whoever asks by it. */
export type Front = {
  /** Whether what an address says of whom it asks for is believed (`--trusted-proxies`). */
  readonly trusts: (address: string) => boolean;
  /** A host as it is asked for by https; undefined: it is not. */
  readonly secureUrlOf: (host: string) => string | undefined;
};
export const PLAIN_FRONT: Front = { trusts: () => false, secureUrlOf: () => undefined };

export type GatewayOptions = {
  /** The route that a host name of this listener leads to; `hidden`: another listener's, so this one says 404. */
  readonly routeFor: (host: string) => RoutePlan | 'hidden' | undefined;
  /** The route of a name inside. */
  readonly localRouteFor: (host: string) => RoutePlan | undefined;
  readonly poolFor: (revision: string) => GatewayPool | undefined;
  readonly links: InstanceLinks;
  readonly clock: Clock;
  readonly random: () => number;
  readonly requestLog?: RequestLog | undefined;
  /** What answers on a host that is no service's. */
  readonly otherwise: OnRequest;
  readonly front: Front;
};

/** The parts of a listener (http/server.ts) that the gateway has. */
export type Gateway = {
  readonly onRequest: OnRequest;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly onCall: (call: Http2Call) => boolean;
  readonly saysContinue: true;
};

type Call = Pick<Inbound, 'host' | 'target' | 'headers' | 'method' | 'origin'>;

/** Routes requests by Host to an instance of a revision, woken from zero where none runs. */
export function createGateway(options: GatewayOptions): Gateway {
  const { routeFor, otherwise, front } = options;
  const routeOf = (host: string | undefined): ReturnType<typeof routeFor> => routeFor(hostNameOf(host ?? ''));
  const answer = (inbound: Inbound, route: RoutePlan | 'hidden'): void => {
    const taker = takerFor(route, inbound, options);
    if ('code' in taker) return inbound.refuse(taker);
    const { headers } = inbound;
    const probe = headers['k-network-probe'];
    if (probe !== undefined) return answerProbe(inbound, String(probe), options.poolFor(taker.revision));
    new Passage(headers, taker, () => takerNow(inbound, options), options).answer(inbound);
  };
  return {
    saysContinue: true,
    onRequest(request, response) {
      const route = routeOf(request.headers.host);
      if (route !== undefined) return answer(inboundOf(request, response, front), route);
      if (request.headers.expect !== undefined) response.writeContinue();
      otherwise(request, response);
    },
    onCall(call) {
      const route = routeOf(call.headers[':authority'] ?? call.headers.host);
      if (route === undefined) return false;
      answer(new Http2Inbound(call, originOf(call.peer, call.isSecure, front)), route);
      return true;
    },
    onUpgrade(request, socket, head) {
      socket.on('error', () => undefined); // 'close' follows, and is heard where it counts
      const { headers, method = 'GET', url = '/' } = request;
      const { host = '' } = headers;
      const call = { headers, method, host, target: url, origin: originOfRequest(request, front) };
      const taker = takerFor(routeOf(host) ?? 'hidden', call, options);
      if ('code' in taker) return endSocket(socket, taker);
      const passage = new Passage(headers, taker, () => takerNow(call, options), options);
      void passage.upgrade(request, call.origin, socket, head);
    },
  };
}

/** Said of a name inside the cluster too, so that outside the two are alike. */
const NOT_A_SERVICE: Refusal = { code: 404, text: 'not a service' };

/** Who takes a request, or why nobody does. */
function takerFor(
  route: RoutePlan | 'hidden',
  call: Call,
  { localRouteFor, random, front }: GatewayOptions,
): Taker | Refusal {
  if (route === 'hidden') return NOT_A_SERVICE;
  const moved = route.isSecureOnly === true ? redirectTo(call, front.secureUrlOf) : undefined;
  if (moved !== undefined) return moved;
  const taker = drawTaker(route, call, localRouteFor, random);
  return isUnanswered(taker) ? { code: 503, text: `nobody answers to ${taker.unanswered}` } : taker;
}

/** The same once more, when who it was has gone; undefined: nobody takes it any more. */
function takerNow(call: Call, { routeFor, localRouteFor, random }: GatewayOptions): Taker | undefined {
  const route = routeFor(hostNameOf(call.host));
  if (route === undefined || route === 'hidden') return undefined;
  const taker = drawTaker(route, call, localRouteFor, random);
  return isUnanswered(taker) ? undefined : taker;
}

function isUnanswered(taker: Taker | Unanswered): taker is Unanswered {
  return 'unanswered' in taker;
}

function originOfRequest({ socket }: IncomingMessage, front: Front): Origin {
  return originOf(socket.remoteAddress ?? 'unknown', Reflect.get(socket, 'encrypted') === true, front);
}

/** A door in front may have led a request of HTTP/2 here, in the shape of HTTP/1.1 and under another name. */
function inboundOf(request: IncomingMessage, response: ServerResponse, front: Front): Inbound {
  const origin = originOfRequest(request, front);
  if (request.httpVersionMajor !== 2) return new Http1Inbound(request, response, origin);
  const { stream } = request as unknown as Http2ServerRequest;
  stream.removeAllListeners('wantTrailers'); // the shape's, which would send none
  const { headers, rawHeaders, url } = request;
  const renamed = { ...headers, ':authority': headers.host, ':path': url, ':method': request.method };
  const { peer, isSecure } = origin;
  return new Http2Inbound({ stream, headers: renamed, rawHeaders, peer, isSecure }, origin);
}
