import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ApiClient, PLATFORM_API } from './client.ts';
import { EXIT, UserError, type Command } from './command.ts';
import { CLIENT_FLAGS, isJson, parse } from './flags.ts';

type Image = { readonly name: string; readonly digest: string; readonly origin?: string };
type Pushed = Image & { readonly launch: { readonly kind: string } };
type Templated = {
  readonly items: readonly {
    readonly metadata: {
      readonly name: string;
      readonly namespace: string;
      readonly ownerReferences?: readonly unknown[];
    };
    readonly spec: {
      readonly template?: {
        readonly spec?: { readonly containers?: readonly { readonly image?: string }[] };
      };
    };
  }[];
};
/** What runs an image by its name. */
type User = { readonly kind: string; readonly namespace: string; readonly name: string };

const USERS = [
  { kind: 'Service', api: '/apis/serving.knative.dev/v1', plural: 'services' },
  { kind: 'ContainerSource', api: '/apis/sources.knative.dev/v1', plural: 'containersources' },
  { kind: 'Deployment', api: '/apis/apps/v1', plural: 'deployments' },
];

const PUSH_HELP = `
Usage: millrace push IMAGE PATH [--command CMD] [--user UID[:GID]] [--roll-out] [--data-dir DIR] [-o json]

Stores a function or program under an image name. What it is, is found out: a folder or file with a Node function, an
executable, a Procfile, a start script; --command decides otherwise. --user is whom it runs as where a manifest names
nobody, as USER in a Dockerfile (root alone can start it so). A push changes nothing that runs: it names the
Services, ContainerSources and Deployments that use the name, and --roll-out has each run what was pushed.

Examples:
  millrace push greeter ./greeter
  millrace push dev.local/api ./api --command 'python3 app.py'
`;

export const push: Command = {
  summary: 'store a function or program as an image',
  async run(context) {
    const parsed = parse(
      context,
      {
        ...CLIENT_FLAGS,
        command: { type: 'string' },
        user: { type: 'string' },
        'roll-out': { type: 'boolean' },
      },
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
      user: parsed.values.user,
    });
    const users = await usersOf(client, image, pushed.name);
    if (parsed.values['roll-out'] === true)
      for (const user of users) await rollOut(client, user, pushed.digest);
    const named = (kind: string): object[] =>
      users.filter((user) => user.kind === kind).map(({ namespace, name }) => ({ namespace, name }));
    const found = {
      services: named('Service'),
      containerSources: named('ContainerSource'),
      deployments: named('Deployment'),
    };
    if (json) context.stdout.write(`${JSON.stringify({ ...pushed, ...found }, undefined, 2)}\n`);
    else {
      context.stdout.write(`${pushed.name}@${pushed.digest}\n`);
      const verb =
        parsed.values['roll-out'] === true
          ? 'rolled out'
          : 'uses this name and still runs what it was made with; roll it out with: millrace push --roll-out';
      for (const { kind, namespace, name } of users)
        context.stdout.write(`${kind} ${namespace}/${name} ${verb}\n`);
    }
    return EXIT.done;
  },
};

async function usersOf(client: ApiClient, written: string, name: string): Promise<readonly User[]> {
  const names = new Set([
    written,
    name,
    name.replace(/^docker\.io\/(?:library\/)?/, ''),
    name.replace(/^docker\.io\/(?:library\/)?/, '').replace(/:latest$/, ''),
  ]);
  const found = await Promise.all(
    USERS.map(async ({ kind, api, plural }) => {
      const { items } = await client.get<Templated>(`${api}/${plural}`);
      return items
        .filter(({ metadata }) => (metadata.ownerReferences ?? []).length === 0) // its owner is named
        .filter(({ spec }) => names.has(spec.template?.spec?.containers?.[0]?.image ?? ''))
        .map(({ metadata }) => ({ kind, namespace: metadata.namespace, name: metadata.name }));
    }),
  );
  return found.flat();
}

/** A new annotation on the template makes a new revision, or another Pod, which pins the image anew. */
async function rollOut(client: ApiClient, { kind, namespace, name }: User, digest: string): Promise<void> {
  const template = { metadata: { annotations: { 'client.millrace.dev/pushed': digest } } };
  const { api, plural } = USERS.find((each) => each.kind === kind) ?? { api: '', plural: '' };
  await client.patch(`${api}/namespaces/${namespace}/${plural}/${name}`, { spec: { template } });
}

const IMAGES_HELP = `
Usage: millrace images [--data-dir DIR] [-o json]

What the local store holds: what was pushed, and images of ours that do as those that Knative's documentation names. A push
of the same name goes before one of ours.

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
    context.stdout.write(json ? `${JSON.stringify(items, undefined, 2)}\n` : items.map(lineOf).join(''));
    return EXIT.done;
  },
};

function lineOf({ name, digest, origin }: Image): string {
  return `${name}@${digest}${origin === undefined ? '' : ' (ours: does as Knative’s)'}\n`;
}
