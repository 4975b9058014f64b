import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { ImageStore } from '../../../src/serving/images/image-store.ts';
import { KNOWN_NAMES } from '../../../src/serving/images/known-images.ts';
import { handle as display } from '../../../src/serving/images/known/event-display.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';

const open = (folder = temporaryFolder('known')): ImageStore => new ImageStore(folder, async () => undefined);
const GO = 'ghcr.io/knative/helloworld-go';

describe('the images that Knative’s documentation names', () => {
  it('are there from the start, by each of their names, and listed as ours', () => {
    const store = open();
    expect(KNOWN_NAMES.length).toBeGreaterThan(10);
    for (const name of KNOWN_NAMES) expect(store.resolve(name)?.digest).toMatch(/^sha256:/);
    expect(store.list()).toHaveLength(KNOWN_NAMES.length);
    expect(store.list()).toContainEqual({
      name: `${GO}:latest`,
      digest: store.resolve(`${GO}:v1`)?.digest,
      origin: 'millrace',
    });
  });

  it('are found by their digest, after a restart and after their folder was lost, too', () => {
    const digest = open().resolve(GO)?.digest ?? '';
    const found = open().resolve(`${GO}@${digest}`);
    expect(readFileSync(join(found?.directory ?? '', 'index.mjs'), 'utf8')).toContain('Hello ${TARGET}!');
    expect(open().resolve(`${GO}@sha256:${'0'.repeat(64)}`)).toBeUndefined();
  });

  it('give way to what a user pushes under their name', async () => {
    const store = open();
    const ours = store.resolve(GO)?.digest;
    const code = folderWith('mine', { 'index.js': 'module.exports = () => "mine";' });
    const { digest } = await store.push(GO, code, undefined, 0);
    expect(digest).not.toBe(ours);
    expect(store.resolve(GO)?.digest).toBe(digest);
    expect(store.list().filter(({ name }) => name === `${GO}:latest`)).toMatchObject([
      { digest, pushedAt: expect.any(String) },
    ]);
    expect(store.resolve(`${GO}@${ours}`)?.digest).toBe(ours);
  });
});

describe('our event_display', () => {
  const printed = (context: object, event: object): string => {
    let text = '';
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      text += String(chunk);
      return true;
    });
    try {
      expect(display({ method: 'POST', path: '/', ...context }, event as Record<string, unknown>)).toEqual({
        statusCode: 202,
      });
    } finally {
      stdout.mockRestore();
    }
    return text;
  };
  const event = { specversion: '1.0', type: 't', source: '/s', id: '1', time: '2026-11-24T00:00:00Z' };

  it('prints an event as the SDK for Go does, JSON as it was written but for its white space', () => {
    const body = '{"id":2.0,"list":[1,{"a":"x:{}, y"}],"none":{},"empty":[],"label":""}';
    const text = printed(
      { rawBody: Buffer.from(body), contentType: 'application/json' },
      {
        ...event,
        subject: 'sub',
        datacontenttype: 'application/json',
        the: 42,
        beats: true,
        heart: 'yes',
        data: {},
      },
    );
    expect(text).toBe(`☁️  cloudevents.Event
Validation: valid
Context Attributes,
  specversion: 1.0
  type: t
  source: /s
  subject: sub
  id: 1
  time: 2026-11-24T00:00:00Z
  datacontenttype: application/json
Extensions,
  beats: true
  heart: yes
  the: 42
Data,
  {
    "id": 2.0,
    "list": [
      1,
      {
        "a": "x:{}, y"
      }
    ],
    "none": {},
    "empty": [],
    "label": ""
  }
`);
  });

  it('prints text as it is, data in base64 as binary, and no data as nothing', () => {
    expect(
      printed(
        { rawBody: Buffer.from('hi'), contentType: 'text/plain' },
        { ...event, datacontenttype: 'text/plain' },
      ),
    ).toMatch(/\nData,\n {2}hi\n$/);
    const structured = { contentType: 'application/cloudevents+json' };
    expect(printed(structured, { ...event, datacontenttype: 'text/plain', data_base64: 'aGk=' })).toMatch(
      /\nData \(binary\),\n {2}hi\n$/,
    );
    expect(printed({ rawBody: Buffer.alloc(0) }, event)).toMatch(/time: 2026-11-24T00:00:00Z\n$/);
  });

  it('answers its health, and nothing but events', () => {
    expect(display({ method: 'GET', path: '/healthz' })).toEqual({ statusCode: 204 });
    expect(display({ method: 'GET', path: '/' })).toEqual({ statusCode: 405 });
    expect(display({ method: 'POST', path: '/' })).toMatchObject({ statusCode: 400 });
  });
});
