import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Engine } from '../../src/serving/runtime/container/engine.ts';
import { kubectlFor } from '../kit/api-server.ts';
import { engineTurn, TURN_MAX_MS } from '../kit/engine-turn.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { platformStarter, runFileOf, type Running } from '../kit/millrace.ts';
import { openRegistry, type Registry } from '../kit/registry.ts';
import { podmanServer, REGISTRY_PORT, TOOLS_TAR } from '../servers/podman.ts';
import { sharedServer } from '../servers/shared.ts';

const podman = await sharedServer(podmanServer);
const socket = podman.kind === 'running' ? podman.address : '';
const root = temporaryFolder('containers');
const dataDir = join(root, 'data');
const up = platformStarter();
const WAIT = { timeout: 60_000, interval: 200 };
const title = `a Service of an image that nobody has pushed${podman.kind === 'missing' ? ` (not here: ${podman.reason})` : ''}`;

let registry: Registry;
let giveBack: (() => void) | undefined;
let platform: Running;
const engine = new Engine(socket);
const kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input);
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: expect.any(String) });
  return stdout;
}
const start = (): Promise<Running> => up(dataDir, ['--engine', `unix://${socket}`, '--drain-timeout', '2']);
const service = (name: string, container: string): string => `
apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: ${name}}
spec:
  template:
    metadata: {annotations: {autoscaling.knative.dev/initial-scale: "0"}}
    spec: {timeoutSeconds: 2, containers: [${container}]}
`;
const messageOf = (name: string): Promise<string> =>
  ok(['get', 'ksvc', name, '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].message}']);
async function ask(name: string, path = '/'): Promise<string> {
  const { gateway } = runFileOf(dataDir).endpoints;
  const { statusCode, body } = await request(`${gateway}${path}`, {
    headers: { host: `${name}.default.localhost` },
  });
  return `${statusCode} ${await body.text()}`;
}
/** How many of this platform's there are, whose names begin so. */
const containers = async (name = 'millrace-'): Promise<number> => {
  const label = [`dev.millrace.owner=${join(dataDir, 'runtime')}`];
  const filters = encodeURIComponent(JSON.stringify({ label, name: [name] }));
  const { body } = await engine.ask('GET', `/containers/json?all=1&filters=${filters}`);
  return (body as unknown[]).length;
};

describe.skipIf(podman.kind === 'missing')(title, { timeout: 180_000 }, () => {
  beforeAll(async () => {
    giveBack = await engineTurn(socket);
    const beside = (name: string): string => join(dirname(socket), name);
    const port = Number(readFileSync(beside(REGISTRY_PORT), 'utf8'));
    registry = await openRegistry(port, beside(TOOLS_TAR), 'ann', 'sesame');
    platform = await start();
  }, TURN_MAX_MS);
  afterAll(async () => {
    registry?.close();
    await engine.close();
    giveBack?.();
  });

  it('says that its digest cannot be found without credentials', async () => {
    const image = `${registry.host}/private/tools:1`;
    await ok(['apply'], service('private', `{image: "${image}"}`));
    await expect
      .poll(() => messageOf('private'), WAIT)
      .toContain(`Unable to fetch image "${image}": failed to resolve image to digest: `);
    expect(registry.served()).toBe(0);
  });

  it('says so when its registry says nothing within digest-resolution-timeout', async () => {
    const silent = createServer();
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const image = `127.0.0.1:${(silent.address() as AddressInfo).port}/nothing:1`;
    const data = '{"data":{"digest-resolution-timeout":"1s"}}';
    await ok([
      'patch',
      'configmap',
      'config-deployment',
      '-n',
      'knative-serving',
      '--type=merge',
      '-p',
      data,
    ]);
    await ok(['apply'], service('silent', `{image: "${image}"}`));
    await expect
      .poll(() => messageOf('silent'), WAIT)
      .toContain(
        `Unable to fetch image "${image}": failed to resolve image to digest: the registry of ${image.slice(0, -2)} said nothing within 1s`,
      );
    silent.close();
  });

  it('is pulled with those of its service account, pinned to its digest, and wakes as a container', async () => {
    const auth = ['--docker-username=ann', '--docker-password=sesame', `--docker-server=${registry.host}`];
    await ok(['create', 'secret', 'docker-registry', 'pull', ...auth]);
    await ok(
      ['apply'],
      'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: default}\nimagePullSecrets: [{name: pull}]',
    );
    await ok(['wait', '--for=condition=Ready', '--timeout=60s', 'ksvc/private']);
    const digest = 'jsonpath={.items[0].status.containerStatuses[0].imageDigest}';
    const of = ['-l', 'serving.knative.dev/service=private'];
    expect(await ok(['get', 'revisions', ...of, '-o', digest])).toBe(
      `${registry.host}/private/tools@${registry.digest}`,
    );
    expect(await ask('private')).toBe('200 ok');
    expect(await ok(['logs', ...of, '-c', 'user-container'])).toBe('of the registry\n');
  });

  it('has the command, variables and limits of its manifest', async () => {
    const container = `{image: "localhost/tools:1", command: [sh, -c], args: ["echo $(GREETING); exec httpd -f -p $PORT -h /www"],
      env: [{name: GREETING, value: hello}], ports: [{containerPort: 9000}], resources: {limits: {memory: 64Mi}}}`;
    await ok(['apply'], service('tools', container));
    await ok(['wait', '--for=condition=Ready', '--timeout=60s', 'ksvc/tools']);
    expect(await ask('tools', `/cgi-bin/run?${encodeURIComponent('echo $PORT $K_SERVICE $GREETING')}`)).toBe(
      '200 9000 tools hello\n',
    );
    expect(await ok(['logs', '-l', 'serving.knative.dev/service=tools', '-c', 'user-container'])).toBe(
      'hello\n',
    );
  });

  it('is what the engine has, and no registry is asked, where that is skipped or the manifest says so', async () => {
    const skipping = '{"data":{"registries-skipping-tag-resolving":"dev.local,127.0.0.1:1"}}';
    const config = ['patch', 'configmap', 'config-deployment', '-n', 'knative-serving', '--type=merge', '-p'];
    await ok([...config, skipping]);
    await engine.ask('POST', '/images/localhost/tools:1/tag?repo=127.0.0.1:1/skipped&tag=1');
    await ok(['apply'], service('skipped', '{image: "127.0.0.1:1/skipped:1"}'));
    await ok(['wait', '--for=condition=Ready', '--timeout=60s', 'ksvc/skipped']);
    await ok(['apply'], service('never', '{image: "127.0.0.1:2/nothing:1", imagePullPolicy: Never}'));
    await expect
      .poll(() => messageOf('never'), WAIT)
      .toContain('Unable to fetch image "127.0.0.1:2/nothing:1": failed to resolve image to digest: ');
    expect(await messageOf('never')).not.toContain('connection refused');
  });

  it('is pulled again, with the same credentials, when somebody has removed it', async () => {
    const image = `${registry.host}/private/tools:1`;
    await ok(['apply'], service('pruned', `{image: "${image}"}`));
    await ok(['wait', '--for=condition=Ready', '--timeout=60s', 'ksvc/pruned']);
    await ok(['delete', 'ksvc', 'private']);
    await expect.poll(() => containers('millrace-private-'), WAIT).toBe(0);
    const { body } = await engine.ask('GET', `/images/${image}/json`);
    const { Id = '' } = body as { readonly Id?: string };
    expect((await engine.ask('DELETE', `/images/${Id}?force=1`)).status).toBe(200);
    const before = registry.served();
    expect(await ask('pruned')).toBe('200 ok');
    expect(registry.served()).toBeGreaterThan(before);
  });

  it('leaves no container: those of a killed platform end with it, or with the next one', async () => {
    expect(await containers()).toBe(2);
    await platform.stop('SIGKILL');
    platform = await start();
    await expect.poll(() => containers(), WAIT).toBe(0);
    expect(await ask('tools')).toBe('200 ok');
    expect(await platform.stop('SIGTERM')).toBe(0);
    expect(await containers()).toBe(0);
  });
});
