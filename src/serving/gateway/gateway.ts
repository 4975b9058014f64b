import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import { hostNameOf } from '../../http/host-check.ts';
import type { Http2Call } from '../../http/http2-server.ts';
import type { RoutePlan, Targets } from '../plan.ts';
import { Http1Inbound } from './http1-inbound.ts';
import { Http2Inbound } from './http2-inbound.ts';
import type { Inbound } from './inbound.ts';
import type { InstanceLinks } from './instance-links.ts';
import { Passage, type Taker } from './passage.ts';
import type { GatewayPool } from './pool.ts';
import { answerProbe } from './probe.ts';
import { endSocket } from './upgrade.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

export type GatewayOptions = {
  /** The route that a host name of this listener leads to; `hidden`: another listener's, so this one says 404. */
  readonly routeFor: (host: string) => RoutePlan | 'hidden' | undefined;
  readonly poolFor: (revision: string) => GatewayPool | undefined;
  readonly links: InstanceLinks;
  readonly clock: Clock;
  readonly random: () => number;
  /** What answers on a host that is no service's. */
  readonly otherwise: OnRequest;
};

/** The parts of a listener (http/server.ts) that the gateway has. */
export type Gateway = {
  readonly onRequest: OnRequest;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  readonly onCall: (call: Http2Call) => boolean;
  readonly saysContinue: true;
};

/** Routes requests by Host to an instance of a revision, woken from zero where none runs. */
export function createGateway(options: GatewayOptions): Gateway {
  const { routeFor, poolFor, random, otherwise } = options;
  const routeOf = (host: string | undefined): ReturnType<typeof routeFor> => routeFor(hostNameOf(host ?? ''));
  const takerNow = (host: string | undefined, headers: IncomingHttpHeaders): Taker | undefined => {
    const route = routeOf(host);
    return route === undefined || route === 'hidden' ? undefined : drawTaker(route, host, headers, random);
  };
  const answer = (inbound: Inbound, route: RoutePlan | 'hidden'): void => {
    if (route === 'hidden') return inbound.refuse({ code: 404, text: NOT_A_SERVICE });
    const { headers, host } = inbound;
    const taker = drawTaker(route, host, headers, random);
    const probe = headers['k-network-probe'];
    if (probe !== undefined) return answerProbe(inbound, String(probe), poolFor(taker.revision));
    new Passage(headers, taker, () => takerNow(host, headers), options).answer(inbound);
  };
  return {
    saysContinue: true,
    onRequest(request, response) {
      const route = routeOf(request.headers.host);
      if (route !== undefined) return answer(inboundOf(request, response), route);
      if (request.headers.expect !== undefined) response.writeContinue();
      otherwise(request, response);
    },
    onCall(call) {
      const route = routeOf(call.headers[':authority'] ?? call.headers.host);
      if (route === undefined) return false;
      answer(new Http2Inbound(call), route);
      return true;
    },
    onUpgrade(request, socket, head) {
      socket.on('error', () => undefined); // 'close' follows, and is heard where it counts
      const route = routeOf(request.headers.host);
      if (route === undefined || route === 'hidden')
        return endSocket(socket, { code: 404, text: NOT_A_SERVICE });
      const { headers } = request;
      const { host } = headers;
      const again = (): Taker | undefined => takerNow(host, headers);
      const passage = new Passage(headers, drawTaker(route, host, headers, random), again, options);
      void passage.upgrade(request, socket, head);
    },
  };
}

/** Said of a name inside the cluster too, so that outside the two are alike. */
const NOT_A_SERVICE = 'not a service';

function drawTaker(
  route: RoutePlan,
  host: string | undefined,
  headers: IncomingHttpHeaders,
  random: () => number,
): Taker {
  const byPort = route.byPort?.get(portIn(host ?? ''));
  if (byPort !== undefined) return { revision: chooseTarget(byPort, random), addedHeaders: undefined };
  const byHeader = route.byHeader?.find(({ header, value }) => headers[header] === value);
  const { targets, addedHeaders } = byHeader ?? route;
  return { revision: chooseTarget(targets, random), addedHeaders };
}

/** As the client wrote it; 0: it wrote none, which may mean any. */
function portIn(host: string): number {
  return Number(/:(\d+)$/.exec(host)?.[1] ?? 0);
}

/** Weights count for each request by itself; they are not sticky (serving API specification). */
function chooseTarget(targets: Targets, random: () => number): string {
  const only = targets.length === 1 ? targets[0] : undefined;
  if (only !== undefined) return only.revision;
  let left = random() * 100;
  for (const { revision, percent } of targets) {
    left -= percent;
    if (left < 0) return revision;
  }
  return targets.at(-1)?.revision ?? '';
}

/** A door in front may have led a request of HTTP/2 here, in the shape of HTTP/1.1 and under another name. */
function inboundOf(request: IncomingMessage, response: ServerResponse): Inbound {
  if (request.httpVersionMajor !== 2) return new Http1Inbound(request, response);
  const { stream } = request as unknown as Http2ServerRequest;
  stream.removeAllListeners('wantTrailers'); // the shape's, which would send none
  const { headers, rawHeaders, url } = request;
  const renamed = { ...headers, ':authority': headers.host, ':path': url, ':method': request.method };
  return new Http2Inbound({
    stream,
    headers: renamed,
    rawHeaders,
    peer: request.socket.remoteAddress ?? 'unknown',
  });
}
