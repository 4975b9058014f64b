import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerUnread } from '../../http/respond.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

const PATH = /^\/services\/([^/?]+)\/([^/?]+)(.*)$/s;

/**
 * `/services/<namespace>/<name>/…` on the internal listener: the same as `/…` at the service's name inside the cluster, for
 * a program that resolves no such name, and has no way to set a Host header.
 */
export function serviceDoor(
  answersTo: (host: string) => boolean,
  gateway: OnRequest,
  otherwise: OnRequest,
): OnRequest {
  return (request, response) => {
    const [, namespace = '', name = '', rest = ''] = PATH.exec(request.url ?? '') ?? [];
    if (name === '') return otherwise(request, response);
    const host = `${name}.${namespace}.svc.cluster.local`;
    if (!answersTo(host))
      return answerUnread(request, response, 404, `no service ${namespace}/${name} answers here`);
    readdress(request, host, rest.startsWith('/') ? rest : `/${rest}`);
    gateway(request, response);
  };
}

function readdress(request: IncomingMessage, host: string, url: string): void {
  const { headers, rawHeaders } = request;
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.toLowerCase() === 'host') rawHeaders[i + 1] = host;
  headers.host = host;
  request.url = url;
}
