import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RevisionPlan } from '../../../src/serving/plan.ts';
import { folderWith, temporaryFolder } from '../../kit/folders.ts';
import { Http2Caller } from '../../kit/http2-caller.ts';
import { openSmallPlatform, type SmallPlatform } from '../../kit/small-platform.ts';

/** As upstream's image hellohttp2: it greets by HTTP/2, and tells HTTP/1.1 to upgrade. */
const PROGRAM = `package main

import ("fmt"; "net/http"; "os")

func main() {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	hello := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 { w.WriteHeader(http.StatusUpgradeRequired); return }
		w.Header().Set("Trailer", "X-Sum")
		fmt.Fprintln(w, "Hello, New World! How about donuts and coffee?")
		w.Header().Set("X-Sum", "47")
	})
	server := http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: hello, Protocols: &protocols}
	panic(server.ListenAndServe())
}
`;
const version = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' }).stdout ?? '';
const minor = Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0);
const PROTOCOLS = ['h2c', 'http1', 'detect'] as const;

let platform: SmallPlatform;

/** A server of HTTP/2 that Node has no part in; left out where there is no Go 1.24. */
describe.skipIf(minor < 24)('a program in Go that greets by HTTP/2 only', () => {
  beforeAll(async () => {
    const directory = folderWith('hello-http2', { 'main.go': PROGRAM });
    execFileSync('go', ['build', '-o', 'server', 'main.go'], { cwd: directory });
    const launch = { kind: 'program', command: ['./server'] } as const;
    const speaking = (protocol: RevisionPlan['protocol']) => ({ directory, launch, plan: { protocol } });
    platform = await openSmallPlatform({
      folder: join(temporaryFolder('hello-http2'), 'data'),
      warm: 0,
      channels: {},
      services: Object.fromEntries(PROTOCOLS.map((protocol) => [protocol, speaking(protocol)])),
    });
  }, 120_000);
  afterAll(() => platform.close());

  const ask = (host: string): ReturnType<typeof request> =>
    request(platform.eventsUrl, { headers: { host: `${host}.demo.svc.cluster.local` } });

  it.each(['h2c', 'detect'])(
    'greets behind a port of %s (TestHelloHTTP2WithPortNameH2C)',
    async (protocol) => {
      const { statusCode, body } = await ask(protocol);
      expect([statusCode, await body.text()]).toEqual([200, expect.stringContaining('Hello, New World!')]);
      const port = Number(new URL(platform.eventsUrl).port);
      const caller = new Http2Caller(port, `${protocol}.demo.svc.cluster.local`);
      expect(await caller.ask('/')).toMatchObject({ code: 200, trailers: { 'x-sum': '47' } });
      caller.close();
    },
  );

  it('asks for an upgrade behind a port without a name (TestHelloHTTP2WithEmptyPortName)', async () => {
    const { statusCode, body } = await ask('http1');
    await body.dump();
    expect(statusCode).toBe(426);
  });
});
