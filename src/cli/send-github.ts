import { createHmac, randomUUID } from 'node:crypto';
import type { ApiClient } from './client.ts';
import { EXIT, UserError } from './command.ts';
import { post, readFileOr, type Posted } from './post.ts';

type Delivery = {
  readonly namespace: string;
  readonly name: string;
  readonly event: string;
  readonly action?: string | undefined;
  readonly file?: string | undefined;
};
type SourceObject = {
  readonly spec: {
    readonly secretToken: { readonly secretKeyRef: { readonly name: string; readonly key: string } };
  };
};
type SecretObject = { readonly data?: Readonly<Record<string, string>> };

/** Posts a delivery as GitHub does: its headers, a signature over the very bytes, a new GUID. */
export async function sendGitHub(
  client: ApiClient,
  { namespace, name, event, action, file }: Delivery,
): Promise<Posted> {
  if (client.run === undefined)
    throw new UserError('MR0046', 'deliveries are sent to a platform on this machine', {
      fix: 'name its folder with --data-dir',
      exit: EXIT.notFound,
    });
  const source = await client.get<SourceObject>(
    `/apis/sources.knative.dev/v1alpha1/namespaces/${namespace}/githubsources/${name}`,
  );
  const { name: secretName, key } = source.spec.secretToken.secretKeyRef;
  const secret = await client.get<SecretObject>(`/api/v1/namespaces/${namespace}/secrets/${secretName}`);
  const token = Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  const body = file === undefined ? await examplePayload(event, action) : readFileOr(file);
  const id = randomUUID();
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'GitHub-Hookshot/millrace',
    'x-github-event': event,
    'x-github-delivery': id,
    'x-hub-signature-256': `sha256=${createHmac('sha256', token).update(body).digest('hex')}`,
  };
  return post(
    { url: `${client.run.endpoints.gateway}/webhooks/${namespace}/${name}`, host: undefined, headers, body },
    id,
  );
}

type Examples = readonly {
  readonly name: string;
  readonly examples: readonly Readonly<Record<string, unknown>>[];
}[];

/** One of the payloads that GitHub's own types are tested with. */
async function examplePayload(event: string, action: string | undefined): Promise<Buffer> {
  const { createRequire } = await import('node:module');
  const published = createRequire(import.meta.url)('@octokit/webhooks-examples') as
    | Examples
    | { readonly default: Examples };
  const all = Array.isArray(published)
    ? (published as Examples)
    : (published as { readonly default: Examples }).default;
  const examples = all.find(({ name }) => name === event)?.examples;
  if (examples === undefined)
    throw new UserError('MR0047', `there is no example of a GitHub event "${event}"`, {
      fix: `give a payload with --data-file, or one of: ${all.map(({ name }) => name).join(', ')}`,
      exit: EXIT.notFound,
    });
  const found = action === undefined ? examples[0] : examples.find((each) => each['action'] === action);
  if (found === undefined)
    throw new UserError('MR0048', `there is no example of "${event}" with the action "${action}"`, {
      exit: EXIT.notFound,
    });
  return Buffer.from(JSON.stringify(found));
}
