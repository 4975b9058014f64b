import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ended } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { GitHubStandIn, TOKEN } from '../kit/github-api.ts';
import { examplePayloads } from '../kit/github.ts';
import { platformStarter, runFileOf } from '../kit/millrace.ts';
import { CHECKOUT, codeBelow } from '../kit/page.ts';
import { RealCluster } from '../kit/real-cluster.ts';
import { kafkaServer } from '../servers/kafka.ts';
import { kubeApiServer } from '../servers/kube-apiserver.ts';
import { pubsubServer } from '../servers/pubsub.ts';
import { rabbitmqServer } from '../servers/rabbitmq.ts';
import { sharedServer } from '../servers/shared.ts';

const servers = await Promise.all(
  [kafkaServer, rabbitmqServer, pubsubServer, kubeApiServer].map(sharedServer),
);
const [kafka = '', rabbitmq = '', pubsub = '', kubernetes = ''] = servers.map((each) =>
  each.kind === 'running' ? each.address : '',
);
const missing = servers.flatMap((each) => (each.kind === 'missing' ? [each.reason] : [])).join('; ');

const EXAMPLES = 'examples/three-sources';
const HEADING = 'Three sources, any broker';
const REPOSITORY = 'octocat/hello-world';
const WAIT = { timeout: 30_000, interval: 200 };
const [START = '', FUNCTION = '', ...REST] = codeBelow('README.md', HEADING, 'sh');
const [GITHUB = '', KUBERNETES = '', PUBSUB = '', LOOK = ''] = REST;
const [SAMPLE = ''] = codeBelow('README.md', HEADING, 'text');
const [MOVE = ''] = codeBelow(`${EXAMPLES}/README.md`, 'Moving to another broker', 'sh');
const [TIDY = ''] = codeBelow(`${EXAMPLES}/README.md`, 'Tidying up', 'sh');

const BROKERS = { kafka: 'KafkaChannel', rabbitmq: 'RabbitmqChannel', pubsub: 'PubSubChannel' } as const;
/** Runs lines of the page as one user; resolves with what they print. */
type Shell = (script: string) => Promise<string>;
type User = { readonly namespace: string; readonly shell: Shell };
type Source = {
  readonly name: string;
  /** As traces name it in the namespace `default`. */
  readonly origin: string;
  readonly script: string;
  /** What happens out there once the source is ready; resolves with all that the function has to log, the id in front. */
  readonly happens: (shell: Shell, rest: string) => Promise<RegExp>;
};

const root = temporaryFolder('three-sources');
const dataDir = join(root, 'data');
/** The examples as a user has filled them in. */
const filledIn = join(root, 'examples');
const up = platformStarter();
let gitHub: GitHubStandIn;
let cluster: RealCluster;

const SOURCES: readonly Source[] = [
  {
    name: 'github',
    origin: 'GitHubSource/default/repository',
    script: GITHUB,
    async happens(_shell, rest) {
      expect(rest).toMatch(/^git .*push/); // GitHub itself is not here to take it
      const push = examplePayloads().find(({ name }) => name === 'push')?.payload ?? {};
      const [delivery] = await gitHub.emit(REPOSITORY, 'push', push);
      expect(delivery?.code).toBe(202);
      return new RegExp(`^(${delivery?.guid}) Codertocat did a push on Hello-World\n$`);
    },
  },
  {
    name: 'kubernetes',
    origin: 'ApiServerSource/default/cluster',
    script: KUBERNETES,
    async happens(shell, rest) {
      expect(await shell(rest)).toBe('configmap/hello created\n');
      return /^(\S+) add of ConfigMap hello\n$/;
    },
  },
  {
    name: 'pubsub',
    origin: 'CloudPubSubSource/default/orders',
    script: PUBSUB,
    async happens(shell, rest) {
      const { messageIds } = JSON.parse(await shell(rest)) as { messageIds: readonly string[] };
      return new RegExp(`^(${messageIds.join()}) a message in orders: hello\n$`);
    },
  },
];
const EACH = SOURCES.flatMap((source) =>
  Object.entries(BROKERS).map(([broker, kind]) => ({ ...source, broker, kind })),
);

function bash(script: string, env: Readonly<Record<string, string>>): Promise<Ended> {
  const options = { cwd: CHECKOUT, env: { ...process.env, ...env }, timeout: 60_000 };
  return new Promise((resolve) => {
    execFile('bash', ['-euo', 'pipefail', '-c', script], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

function shellWith(env: Readonly<Record<string, string>>): Shell {
  const all = { KUBECACHEDIR: join(root, 'cache'), MILLRACE_DATA_DIR: dataDir, GH_TOKEN: TOKEN, ...env };
  return async (script) => {
    const { code, stdout, stderr } = await bash(script.replaceAll(EXAMPLES, filledIn), all);
    if (code !== 0) throw new Error(`${script}\nended with ${code}: ${stderr}`);
    return stdout;
  };
}

/** Has the platform's kubeconfig in KUBECONFIG and the cluster's at home, both of one namespace, which is new. */
async function newUser(): Promise<User> {
  const namespace = await cluster.namespace();
  const [HOME, KUBECONFIG] = [join(root, namespace), join(root, namespace, 'millrace')];
  mkdirSync(join(HOME, '.kube'), { recursive: true });
  writeFileSync(KUBECONFIG, readFileSync(runFileOf(dataDir).kubeconfig));
  writeFileSync(join(HOME, '.kube/config'), cluster.kubeconfig);
  const shell = shellWith({ HOME, KUBECONFIG, PUBSUB_EMULATOR_HOST: pubsub });
  const use = `kubectl config set-context --current --namespace=${namespace}`;
  await shell(`${use}; ${use} --kubeconfig=${HOME}/.kube/config; kubectl create namespace ${namespace}`);
  return { namespace, shell };
}

/** The function is at zero, and its channel is in one of the page's files. */
async function asleep(channel: string): Promise<User> {
  const user = await newUser();
  const isPushed = FUNCTION.replace(/^bin\/millrace push .*\n/m, '');
  await user.shell(isPushed.replace('channel/kafka.yaml', `channel/${channel}.yaml`));
  return user;
}

/** The way of the one event of which the function has logged a line, and nothing else. */
async function traced({ shell }: User, line: RegExp): Promise<string> {
  const [logs = '', trace = ''] = LOOK.split(/^(?=bin)/m);
  await expect.poll(() => shell(logs), WAIT).toMatch(line);
  const [, id = ''] = line.exec(await shell(logs)) ?? [];
  let way = '';
  const told = async (): Promise<string> => (way = await shell(trace.replace('ID', id)));
  await expect.poll(told, WAIT).toMatch(/delivered 204[^]*woken|woken[^]*delivered 204/);
  return way;
}

/** The lines of a trace without what differs from one event to the next; their order by time does, too. */
function shapeOf(trace: string, namespace: string): string[] {
  return trace
    .replaceAll(namespace, 'NAMESPACE')
    .replace(/^event .*/, 'event ID')
    .replace(/ as number \d+/, '') // not every broker numbers them
    .replace(/deployment-\w+-\w+/, 'deployment')
    .replaceAll(/^ +(\+\d+ ms +)?/gm, '')
    .replaceAll(/\d+/g, 'N')
    .trim()
    .split('\n')
    .toSorted();
}

/** The flags of `up` on the page, with the addresses of this run's servers. */
function flagsOfUp(): string[] {
  const [, flags = ''] = /^bin\/millrace up ((?:.*\\\n)*.*)$/m.exec(START) ?? [];
  const words = flags.split(/[\s\\]+/);
  const values: Readonly<Record<string, string>> = { '--kafka': kafka, '--rabbitmq': rabbitmq };
  return words.map((word, i) => values[words[i - 1] ?? ''] ?? word);
}

/** What makes a source ready, and what comes after that. */
function halves(script: string): readonly [string, string] {
  const at = script.indexOf('\n', script.indexOf('kubectl wait')) + 1;
  return [script.slice(0, at), script.slice(at)];
}

/** A copy of the examples, with GitHub where this test has it, and a source of the platform's own objects. */
function fillIn(): void {
  cpSync(join(CHECKOUT, EXAMPLES), filledIn, { recursive: true });
  const change = (from: string, to: string, pattern: RegExp, by: string): void => {
    const text = readFileSync(join(filledIn, from), 'utf8');
    expect(text).toMatch(pattern);
    writeFileSync(join(filledIn, to), text.replace(pattern, by));
  };
  change('github.yaml', 'github.yaml', /# githubAPIURL: .*/, `githubAPIURL: ${gitHub.url}`);
  change('kubernetes.yaml', 'this-platform.yaml', /^ +annotations: .*without it.*\n/m, '');
}

describe('the manifests of the README', () => {
  it('are the files that its commands apply', () => {
    const files = SOURCES.map(({ name }) => readFileSync(`${CHECKOUT}${EXAMPLES}/${name}.yaml`, 'utf8'));
    expect(codeBelow('README.md', HEADING, 'yaml')).toEqual(files);
  });
});

describe.skipIf(missing !== '')(`three sources, any broker ${missing}`, { timeout: 60_000 }, () => {
  beforeAll(async () => {
    process.env['PUBSUB_EMULATOR_HOST'] = pubsub; // of `up`
    gitHub = await GitHubStandIn.open(REPOSITORY);
    fillIn();
    cluster = await RealCluster.open(kubernetes);
    await up(dataDir, flagsOfUp());
    await shellWith({})(FUNCTION.split('\n')[0] ?? ''); // one push for all
  });
  afterAll(async () => {
    await cluster.close();
    await gitHub.close();
    expect(gitHub.faults).toEqual([]); // every request was as GitHub describes it
  });

  it.each(EACH)('$name wakes a function from zero through $kind', async (source) => {
    const user = await asleep(source.broker);
    const [becomesReady, rest] = halves(source.script);
    await user.shell(becomesReady);
    expect(await user.shell('kubectl get pods -o name')).toBe('');

    const trace = await traced(user, await source.happens(user.shell, rest));
    const sample = SAMPLE.replace('GitHubSource/default/repository', source.origin);
    const expected = shapeOf(sample.replace('KafkaChannel', source.kind), 'default');
    expect(shapeOf(trace, user.namespace)).toEqual(expected);

    await user.shell(TIDY);
    const left = 'kubectl get channels,subscriptions,ksvc,sources,secrets -o name';
    await expect.poll(() => user.shell(left), WAIT).toBe('');
    expect(gitHub.hooksOf(REPOSITORY).filter(({ config }) => config.url?.includes(user.namespace))).toEqual(
      [],
    );
  });

  it('what a controller of the cluster records as an Event wakes it, too', async () => {
    const user = await asleep('rabbitmq');
    await user.shell(halves(KUBERNETES)[0]);
    const recorded = JSON.stringify({
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'web.1', namespace: user.namespace },
      involvedObject: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', namespace: user.namespace },
      reason: 'ScalingReplicaSet',
      message: 'Scaled up replica set web-1 to 3',
      type: 'Normal',
    });
    await user.shell(`KUBECONFIG=~/.kube/config kubectl create -f - <<<'${recorded}'`);
    await traced(user, /^(\S+) add of Event web\.1: Scaled up replica set web-1 to 3\n$/);
  });

  it('the objects of the platform itself wake it as well, through the log of its own', async () => {
    const user = await asleep('log');
    const applied = 'kubectl apply -f examples/three-sources/kubernetes.yaml\n';
    expect(KUBERNETES).toContain(applied);
    await user.shell(applied.replace('kubernetes.yaml', 'this-platform.yaml'));
    await user.shell('kubectl wait --for=condition=Ready apiserversource/cluster');
    await user.shell('kubectl create configmap hello');
    const trace = await traced(user, /^(\S+) add of ConfigMap hello\n$/);
    expect(trace).toContain(`accepted by LogChannel/${user.namespace}/happenings`);
  });

  it('a channel moves to another broker by one command, and its Subscription follows', async () => {
    const user = await asleep('kafka');
    await user.shell(MOVE);
    const isServed = `--for=jsonpath='{.status.subscribers[0].ready}'=True rabbitmqchannel/happenings`;
    await expect.poll(() => user.shell('kubectl get rabbitmqchannel -o name'), WAIT).not.toBe('');
    await user.shell(`kubectl wait ${isServed}`);
    await user.shell(`bin/millrace send channel/happenings --type hello --id 1 -n ${user.namespace}`);
    const trace = await traced(user, /^(1) something else: hello\n$/);
    expect(trace).toContain(`accepted by RabbitmqChannel/${user.namespace}/happenings`);
  });
});
