import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NameServer } from '../../../src/serving/runtime/shared/name-server.ts';
import { answerTo, questionOf } from '../../../src/serving/runtime/shared/dns.ts';

const OURS = 'greeter.default.svc.cluster.local';
const ADDRESS = '127.0.0.1';
const upstream = createSocket('udp4');
const asked: string[] = [];
let server: NameServer;
let isOpen = true;
const resolver = new Resolver({ timeout: 3000, tries: 1 });

beforeAll(async () => {
  upstream.on('message', (packet, from) => {
    const question = questionOf(packet);
    asked.push(question?.name ?? '');
    if (question !== undefined)
      upstream.send(answerTo(packet, question, '192.0.2.7'), from.port, from.address);
  });
  upstream.bind(0, ADDRESS);
  await once(upstream, 'listening');
  server = await NameServer.open({
    address: ADDRESS,
    port: 0,
    isName: (name) => name === OURS,
    isOurs: (address) => address === ADDRESS && isOpen,
    upstream: `${ADDRESS}:${upstream.address().port}`,
  });
  resolver.setServers([`${ADDRESS}:${server.port}`]);
});
afterAll(() => {
  server.close();
  upstream.close();
});

describe('the name server of containers', () => {
  it('leads names of ours to the platform, however they are written, and has no other address of them', async () => {
    expect(await resolver.resolve4(OURS)).toEqual([ADDRESS]);
    expect(await resolver.resolve4(OURS.toUpperCase())).toEqual([ADDRESS]);
    await expect(resolver.resolve6(OURS)).rejects.toMatchObject({ code: 'ENODATA' });
    expect(asked).toEqual([]);
  });

  it('knows no other name inside the cluster, and asks nobody for it', async () => {
    await expect(resolver.resolve4('other.default.svc.cluster.local')).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
    await expect(resolver.resolve4('www.example.com.default.svc.cluster.local')).rejects.toMatchObject({
      code: 'ENOTFOUND',
    });
    expect(asked).toEqual([]);
  });

  it('passes every other question on, and the answer back', async () => {
    expect(await resolver.resolve4('www.example.com')).toEqual(['192.0.2.7']);
    expect(asked).toEqual(['www.example.com']);
  });

  it('answers nobody who is no container of its run', async () => {
    isOpen = false;
    const impatient = new Resolver({ timeout: 300, tries: 1 });
    impatient.setServers([`${ADDRESS}:${server.port}`]);
    await expect(impatient.resolve4(OURS)).rejects.toMatchObject({ code: 'ETIMEOUT' });
    isOpen = true;
  });

  it('is not disturbed by what is no question', async () => {
    const garbage = createSocket('udp4');
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(11), Buffer.alloc(600, 0xff), Buffer.alloc(512, 63)]) {
      garbage.send(bytes, server.port, ADDRESS);
      expect(questionOf(bytes)).toBeUndefined();
    }
    expect(await resolver.resolve4(OURS)).toEqual([ADDRESS]);
    garbage.close();
  });
});
