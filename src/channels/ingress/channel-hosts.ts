import type { IncomingMessage, ServerResponse } from 'node:http';
import { hostFault, hostNameOf } from '../../http/host-check.ts';
import { answerUnread } from '../../http/respond.ts';

type OnRequest = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * The channel that a host name of 2018 means: `NAME.NAMESPACE.channels.cluster.local`, or that of its Service then,
 * `NAME-channel.NAMESPACE.svc.cluster.local` (eventing 540e45168, pkg/controller/names.go).
 */
export function channelOfHost(
  host: string,
): { readonly namespace: string; readonly name: string } | undefined {
  const [, name, namespace] =
    /^([a-z0-9-]+)\.([a-z0-9-]+)\.channels\.cluster\.local$/.exec(host) ??
    /^([a-z0-9-]+)-channel\.([a-z0-9-]+)\.svc\.cluster\.local$/.exec(host) ??
    [];
  return name === undefined || namespace === undefined ? undefined : { namespace, name };
}

/** Lets channels answer at those names, whatever the path; any other request goes on to `otherwise`. */
export function atChannelHosts(ingress: OnRequest, otherwise: OnRequest): OnRequest {
  return (request, response) => {
    const host = hostNameOf(request.headers.host ?? '');
    const channel = channelOfHost(host);
    if (channel === undefined) return otherwise(request, response);
    const fault = hostFault(request, new Set([host])); // no page of another site may ask here
    if (fault !== undefined) return answerUnread(request, response, fault.code, fault.reason);
    request.url = `/channels/${channel.namespace}/${channel.name}`;
    ingress(request, response);
  };
}
