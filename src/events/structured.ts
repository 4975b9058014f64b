import { isUtf8 } from 'node:buffer';
import { fromBase64 } from './base64.ts';
import type { CloudEvent } from './event.ts';
import { isJson } from './json-scan.ts';

export const STRUCTURED_TYPE = 'application/cloudevents+json; charset=utf-8';

const END = Buffer.from('}');

/**
 * Writes the JSON event format. What `data` holds reads back to the same content type and to the same bytes, but for
 * space around a JSON text, which belongs to no value (RFC 8259, 2).
 */
export function writeStructured(event: CloudEvent): Buffer {
  const { attributes, contentType, body } = event;
  const isOld = attributes.get('specversion') === '0.3';
  let head = '';
  for (const [name, value] of attributes) {
    if (isOld && name === 'datacontentencoding') continue; // written with the data that it speaks of
    head += `${head === '' ? '{' : ','}${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  if (contentType !== undefined) head += `,"datacontenttype":${JSON.stringify(contentType)}`;
  if (body.byteLength === 0) return Buffer.from(`${head}}`);
  if (isOld && attributes.get('datacontentencoding') === 'base64')
    return Buffer.from(head + encodedData(body));
  if (contentType !== undefined && isJsonType(contentType) && isUtf8(body) && isJson(body)) {
    return Buffer.concat([Buffer.from(`${head},"data":`), body, END]);
  }
  if (contentType !== undefined && isTextType(contentType) && isUtf8(body)) {
    return Buffer.from(`${head},"data":${JSON.stringify(bufferOf(body).toString())}}`);
  }
  const base64 = bufferOf(body).toString('base64');
  return Buffer.from(head + (isOld ? oldBase64(base64) : `,"data_base64":"${base64}"}`));
}

/** Any type whose subtype is `json` or ends in `+json`, parameters aside (JSON format 3.1). */
export function isJsonType(contentType: string): boolean {
  if (contentType === 'application/json') return true;
  const [essence = ''] = contentType.split(';', 1);
  return /^[^/]+\/(?:json|[^/]+\+json)$/i.test(essence.trim());
}

/** What people read as text; the rest goes as base64, though its bytes may happen to be text. */
function isTextType(contentType: string): boolean {
  return !isJsonType(contentType) && /^(?:text\/|[^/]+\/(?:xml|[^/;]+\+xml))/i.test(contentType);
}

/** 0.3 in binary mode with `datacontentencoding: base64`: the body is base64 text already, if it is what it says. */
function encodedData(body: Uint8Array): string {
  const text = bufferOf(body).toString('latin1');
  return oldBase64(fromBase64(text) === undefined ? bufferOf(body).toString('base64') : text);
}

/** 0.3 has no data_base64. */
function oldBase64(base64: string): string {
  return `,"datacontentencoding":"base64","data":"${base64}"}`;
}

function bufferOf(body: Uint8Array): Buffer {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
