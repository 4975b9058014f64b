/** Why there was no whole answer, in words that stay the same from one attempt to the next. */
export function failureReason(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  // undici tells these two apart from a closed connection by message alone.
  const unasked = code === 'UND_ERR_SOCKET' ? UNASKED[error.message] : undefined;
  if (unasked !== undefined) return unasked;
  const inside = code === 'ENOTFOUND' ? serviceName(error) : undefined;
  if (inside !== undefined)
    return `no service answers as ${inside.name} in namespace ${inside.namespace}: it is not there, or has not been ready yet (kubectl get ksvc,svc -n ${inside.namespace})`;
  const known = REASONS[code];
  if (known !== undefined) return known;
  const inner = error.cause instanceof Error ? error.cause.message : '';
  return [error.message || code || 'the connection failed', inner].filter((part) => part !== '').join(': ');
}

/** Names inside the cluster are no names to DNS: what no Service has is looked up there in vain. */
function serviceName(error: Error): { readonly name: string; readonly namespace: string } | undefined {
  const hostname = 'hostname' in error ? String(error.hostname) : '';
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc(?:\.cluster\.local)?\.?$/.exec(hostname) ?? [];
  return name === undefined || namespace === undefined ? undefined : { name, namespace };
}

const UNASKED: Readonly<Record<string, string>> = {
  'bad response': 'answered 100 Continue without being asked for it',
  'bad upgrade': 'answered 101 Switching Protocols without being asked for it',
};

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EPIPE: 'the connection was closed before a whole answer',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ENOTFOUND: 'the host name does not resolve',
  EAI_AGAIN: 'the host name cannot be looked up at the moment',
  ERR_SSL_WRONG_VERSION_NUMBER: 'no TLS is spoken there; is it an http address?',
  UND_ERR_SOCKET: 'the connection was closed before a whole answer',
  UND_ERR_CONNECT_TIMEOUT: 'no connection within its time',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'the answer is shorter or longer than its content-length',
  UND_ERR_HEADERS_OVERFLOW: 'the headers of the answer are too large',
};
