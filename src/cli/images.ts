import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';

type Image = { readonly name: string; readonly digest: string };
type Pushed = Image & { readonly launch: { readonly kind: string } };
type ServiceList = {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly namespace: string };
    readonly spec: {
      readonly template?: {
        readonly spec?: { readonly containers?: readonly { readonly image?: string }[] };
      };
    };
  }[];
};

const PUSH_HELP = `
Usage: millrace push IMAGE PATH [--command CMD] [--roll-out] [--data-dir DIR] [-o json]

Stores a function or program under an image name. What it is, is found out: a folder or file with a Node function, an
executable, a Procfile, a start script; --command decides otherwise. A push changes nothing that runs: it names the
Services that use the name, and --roll-out gives each a new revision.

Examples:
  millrace push greeter ./greeter
  millrace push dev.local/api ./api --command 'python3 app.py'
`;

export const push: Command = {
  summary: 'store a function or program as an image',
  async run(context) {
    const parsed = parse(
      context,
      { ...CLIENT_FLAGS, command: { type: 'string' }, 'roll-out': { type: 'boolean' } },
      PUSH_HELP,
    );
    if (parsed === undefined) return EXIT.done;
    const json = isJson(parsed.values);
    const [image, path] = parsed.positionals;
    if (image === undefined || path === undefined || parsed.positionals.length > 2)
      throw new UserError('MR0030', 'push takes an image name and a path', {
        fix: 'millrace push IMAGE PATH',
        exit: EXIT.usage,
      });
    if (!existsSync(path)) throw new UserError('MR0031', `${path} does not exist`, { exit: EXIT.notFound });
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    const pushed = await client.post<Pushed>(`${PLATFORM_API}/images`, {
      image,
      path: resolve(path),
      command: parsed.values.command,
    });
    const users = await servicesOf(client, image, pushed.name);
    if (parsed.values['roll-out'] === true)
      for (const user of users) await rollOut(client, user, pushed.digest);
    if (json) context.stdout.write(`${JSON.stringify({ ...pushed, services: users }, undefined, 2)}\n`);
    else {
      context.stdout.write(`${pushed.name}@${pushed.digest}\n`);
      const verb =
        parsed.values['roll-out'] === true
          ? 'rolled out'
          : 'uses this name and still runs what it was made with; roll it out with: millrace push --roll-out';
      for (const { namespace, name } of users) context.stdout.write(`Service ${namespace}/${name} ${verb}\n`);
    }
    return EXIT.done;
  },
};

async function servicesOf(
  client: ApiClient,
  written: string,
  name: string,
): Promise<{ namespace: string; name: string }[]> {
  const { items } = await client.get<ServiceList>('/apis/serving.knative.dev/v1/services');
  const names = new Set([
    written,
    name,
    name.replace(/^docker\.io\/(?:library\/)?/, ''),
    name.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, ''),
  ]);
  return items
    .filter(({ spec }) => names.has(spec.template?.spec?.containers?.[0]?.image ?? ''))
    .map(({ metadata }) => ({ namespace: metadata.namespace, name: metadata.name }));
}

/** A new annotation on the template makes a new revision, which pins the image anew. */
async function rollOut(
  client: ApiClient,
  { namespace, name }: { namespace: string; name: string },
  digest: string,
): Promise<void> {
  const template = { metadata: { annotations: { 'client.millrace.dev/pushed': digest } } };
  await client.patch(`/apis/serving.knative.dev/v1/namespaces/${namespace}/services/${name}`, {
    spec: { template },
  });
}

const IMAGES_HELP = `
Usage: millrace images [--data-dir DIR] [-o json]

What the local store holds.

Examples:
  millrace images
  millrace images -o json
`;

export const images: Command = {
  summary: 'what the local image store holds',
  async run(context) {
    const parsed = parse(context, CLIENT_FLAGS, IMAGES_HELP, 0);
    if (parsed === undefined) return EXIT.done;
    const json = isJson(parsed.values);
    const client = await ApiClient.open(context, parsed.values['data-dir']);
    const { items } = await client.get<{ items: readonly Image[] }>(`${PLATFORM_API}/images`);
    context.stdout.write(
      json
        ? `${JSON.stringify(items, undefined, 2)}\n`
        : items.map(({ name, digest }) => `${name}@${digest}\n`).join(''),
    );
    return EXIT.done;
  },
};
