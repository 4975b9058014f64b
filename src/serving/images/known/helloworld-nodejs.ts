/** Knative's helloworld-nodejs. Copied alone: it imports nothing. */

const { TARGET = 'World' } = process.env;

export function handle(): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  process.stdout.write('Hello world received a request.\n');
  return { headers: { 'content-type': 'text/html; charset=utf-8' }, body: `Hello ${TARGET}!` };
}
