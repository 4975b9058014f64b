import { Socket } from 'node:net';
import type { HostRoute } from '../runner-protocol.ts';

type Options = { host?: unknown; port?: unknown };

/**
 * Lets a function call services by their cluster names: where its sockets connect, a host that one of the platform's
 * listeners answers for is exchanged for that listener. The Host header stays, so the listener knows who is meant.
 */
export function routeConnections(routes: readonly HostRoute[]): void {
  const connect = Reflect.get(Socket.prototype, 'connect') as (...args: unknown[]) => Socket; // of any overload
  Reflect.set(Socket.prototype, 'connect', function connectRouted(this: Socket, ...args: unknown[]): Socket {
    // node:net hands its own calls over as one normalised array: [options, callback].
    const first = Array.isArray(args[0]) ? (args[0] as unknown[])[0] : args[0];
    if (typeof first === 'object' && first !== null) redirect(first, routes);
    return connect.apply(this, args);
  });
}

function redirect(options: Options, routes: readonly HostRoute[]): void {
  if (typeof options.host !== 'string') return;
  const host = options.host.toLowerCase().replace(/\.$/, '');
  const route = routes.find(({ suffix }) => host.endsWith(suffix));
  if (route !== undefined) Object.assign(options, { host: route.host, port: route.port });
}
