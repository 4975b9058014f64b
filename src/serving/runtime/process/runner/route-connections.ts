import { Socket } from 'node:net';
import type { HostRoute } from '../runner-protocol.ts';

/**
 * Lets a function call services by their cluster names: where its sockets connect, a host that one of the platform's
 * listeners answers for is exchanged for that listener. The Host header stays, so the listener knows who is meant.
 */
export function routeConnections(routes: readonly HostRoute[]): void {
  const connect = Reflect.get(Socket.prototype, 'connect') as (...args: unknown[]) => Socket; // of any overload
  Reflect.set(Socket.prototype, 'connect', function connectRouted(this: Socket, ...args: unknown[]): Socket {
    const [first, second] = args;
    // node:net hands its own calls over as one normalised array, [options, callback], which has to stay that array.
    if (Array.isArray(first)) first[0] = routed(first[0], routes);
    else if (typeof first === 'object') args[0] = routed(first, routes);
    else if (typeof second === 'string') args.splice(0, 2, routed({ port: first, host: second }, routes));
    return connect.apply(this, args);
  });
}

function routed(options: unknown, routes: readonly HostRoute[]): unknown {
  const [host, port]: unknown[] = [
    Reflect.get(Object(options), 'host'),
    Reflect.get(Object(options), 'port'),
  ];
  if (typeof host !== 'string') return options;
  const name = host.toLowerCase().replace(/\.$/, '');
  const route = routes.find(
    ({ suffix, ports }) => name.endsWith(suffix) && (ports === undefined || ports.includes(Number(port))),
  );
  // A copy: the options are the caller's own.
  return route === undefined ? options : Object.assign({}, options, { host: route.host, port: route.port });
}
