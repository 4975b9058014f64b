import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The user code that the benches run, written to a temporary folder. */
export type Folders = {
  readonly root: string;
  /** A Node function that imports `cloudevents` without bringing it, and one that brings its own. */
  readonly functionShared: string;
  readonly functionOwn: string;
  /** One that imports nothing. */
  readonly functionPlain: string;
  /** A bare HTTP server in Node, in Python, and in Go; undefined where there is no such tool. */
  readonly program: string;
  /** The same in Node, by HTTP/2 without TLS. */
  readonly programH2: string;
  readonly python: string | undefined;
  readonly go: string | undefined;
};

const FUNCTION = `
import { CloudEvent } from 'cloudevents';
export function handle(context, event) {
  const atMs = performance.timeOrigin + performance.now();
  process.stdout.write('first-line ' + atMs + '\\n');
  return new CloudEvent({ source: '/bench', type: 'bench.reply', data: { seen: event instanceof CloudEvent } });
}
`;

const NODE_PROGRAM = `
import { createServer } from 'node:http';
const server = createServer((request, response) => {
  request.resume();
  request.on('end', () => response.writeHead(204).end());
});
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env.PORT), '127.0.0.1', () => process.send?.(server.address().port));
`;

const NODE_H2_PROGRAM = `
import { createServer } from 'node:http2';
const server = createServer();
server.on('stream', (stream) => {
  stream.resume();
  stream.on('end', () => stream.respond({ ':status': 204 }, { endStream: true }));
});
server.listen(Number(process.env.PORT), '127.0.0.1');
`;

const PYTHON_PROGRAM = `
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        self.rfile.read(int(self.headers.get('content-length', 0)))
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()
`;

const GO_PROGRAM = `
package main
import ("io"; "net/http"; "os")
func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); w.WriteHeader(204) })
	http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil)
}
`;

export function writeBundles(): Folders {
  const root = mkdtempSync(join(tmpdir(), 'millrace-bundles-'));
  const functionOwn = written(root, 'function-own', 'index.mjs', FUNCTION);
  cpSync(
    join(import.meta.dirname, '../node_modules/cloudevents'),
    join(functionOwn, 'node_modules/cloudevents'),
    {
      recursive: true,
    },
  );
  return {
    root,
    functionShared: written(root, 'function-shared', 'index.mjs', FUNCTION),
    functionOwn,
    functionPlain: written(root, 'function-plain', 'index.mjs', "export const handle = () => 'ok';\n"),
    program: written(root, 'node', 'server.mjs', NODE_PROGRAM),
    programH2: written(root, 'node-h2', 'server.mjs', NODE_H2_PROGRAM),
    python: hasTool('python3', '--version')
      ? written(root, 'python', 'server.py', PYTHON_PROGRAM)
      : undefined,
    go: hasTool('go', 'version') ? builtGo(written(root, 'go', 'main.go', GO_PROGRAM)) : undefined,
  };
}

function written(root: string, name: string, file: string, text: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  writeFileSync(join(folder, file), text);
  return folder;
}

function hasTool(tool: string, argument: string): boolean {
  try {
    execFileSync(tool, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function builtGo(folder: string): string {
  execFileSync('go', ['build', '-o', 'server', 'main.go'], { cwd: folder, stdio: 'ignore' });
  return folder;
}
