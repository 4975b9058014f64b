import { text } from 'node:stream/consumers';
import type { Command, Reach } from '../../src/serving/runtime/reach.ts';

/** What GET / is answered on a port of an instance, by a connection into it. */
export async function askThrough(runtime: Reach, id: string, port: number): Promise<string> {
  const connection = await runtime.reach(id)?.open(port);
  if (connection === undefined || 'listening' in connection)
    throw new Error(`nothing of ${id} listens on ${port}: ${JSON.stringify(connection)}`);
  connection.write('GET / HTTP/1.0\r\n\r\n');
  const answer = await text(connection);
  return answer.slice(answer.indexOf('\r\n\r\n') + 4);
}

export type Done = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Gives a command its input, and what comes of it. */
export async function finished(command: Command | undefined, input = ''): Promise<Done> {
  if (command === undefined) throw new Error('the container does not run');
  command.stdin.on('error', () => undefined).end(input); // it may have ended by now
  const [stdout, stderr, code] = await Promise.all([
    text(command.stdout),
    command.stderr === undefined ? '' : text(command.stderr),
    command.ended,
  ]);
  return { code, stdout, stderr };
}
