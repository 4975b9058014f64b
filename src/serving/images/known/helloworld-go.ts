/** Knative's helloworld-go. Copied alone: it imports nothing. */

const { TARGET = 'World' } = process.env;

export function handle(): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const at = new Date().toISOString().slice(0, 19).replaceAll('-', '/').replace('T', ' ');
  process.stderr.write(`${at} helloworld: received a request\n`);
  return { headers: { 'content-type': 'text/plain; charset=utf-8' }, body: `Hello ${TARGET}!\n` };
}
