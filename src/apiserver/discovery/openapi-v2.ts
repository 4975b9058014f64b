import type { ServerResponse } from 'node:http';
import { answerJson } from '../../http/respond.ts';
import { VERSION } from './discovery.ts';

const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const TITLE = 'Kubernetes';

/**
 * The former form of the OpenAPI document, which kubectl asks for when it is given a `kind: List`, whose items it then
 * leaves to the server. It describes nothing: the schemas are in the form of today, at `/openapi/v3`.
 */
export function answerOpenApiV2(response: ServerResponse, accept: string): void {
  const version = VERSION.gitVersion;
  if (!accept.includes('protobuf'))
    return answerJson(response, 200, { swagger: '2.0', info: { title: TITLE, version }, paths: {} });
  response.writeHead(200, { 'content-type': PROTOBUF });
  // openapi.v2.Document: 1 swagger, 2 info (1 title, 2 version).
  response.end(
    Buffer.concat([
      field(1, Buffer.from('2.0')),
      field(2, Buffer.concat([text(1, TITLE), text(2, version)])),
    ]),
  );
}

const text = (number: number, value: string): Buffer => field(number, Buffer.from(value));

/** A field of bytes, shorter than 128 of them. */
function field(number: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
}
