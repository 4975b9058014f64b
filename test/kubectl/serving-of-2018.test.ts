import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { folderWith, temporaryFolder } from '../kit/folders.ts';
import { millrace, platformStarter, runFileOf } from '../kit/millrace.ts';

/** What the article of 2018 applies, as a manifest of that time. */
const SERVICE = `
apiVersion: serving.knative.dev/v1alpha1
kind: Service
metadata: {name: hellodidiyun-go, namespace: default}
spec:
  runLatest:
    configuration:
      revisionTemplate:
        spec:
          container:
            image: doopymc/helloworld-go
            env: [{name: TARGET, value: "hello, didiyun"}]
`;
const PROGRAM = {
  Procfile: 'web: node server.js\n',
  'server.js': `
require('node:http')
  .createServer((_, response) => response.end('Hello World: ' + process.env.TARGET + '!\\n'))
  .listen(process.env.PORT);
`,
};

const root = temporaryFolder('serving-2018');
const dataDir = join(root, 'data');
const start = platformStarter();
const run = promisify(execFile);
let kubectl: TestApi['kubectl'];

beforeAll(async () => {
  await start(dataDir, ['--domain', 'example.com']);
  kubectl = kubectlFor(root, join(dataDir, 'kubeconfig'));
  const pushed = await millrace([
    'push',
    'doopymc/helloworld-go',
    folderWith('go', PROGRAM),
    '--data-dir',
    dataDir,
  ]);
  expect(pushed).toMatchObject({ code: 0 });
}, 30_000);

/** What kubectl prints, on either stream, when it ends well. */
async function kube(command: string, input?: string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(command.split(' '), input);
  expect({ command, code, stderr: code === 0 ? '' : stderr }).toEqual({ command, code: 0, stderr: '' });
  return stdout + stderr;
}
/** The table without the ages, which no test can know. */
const rows = (table: string): string[][] =>
  table
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/).filter((cell) => !/^\d+m?s?$/.test(cell)));
const curl = async (host: string, address: string): Promise<string> =>
  (await run('curl', ['-s', '-H', `Host: ${host}`, `http://${address}`])).stdout;

describe('the article of 2018, command by command', { timeout: 60_000 }, () => {
  it('2.2.5 labels the namespace, and shows what stands for Istio', async () => {
    expect(await kube('label namespace default istio-injection=enabled')).toBe('namespace/default labeled\n');
    await expect.poll(() => kube('get pods --namespace istio-system')).toMatch(/knative-ingressgateway/);
    expect(rows(await kube('get pods --namespace istio-system'))).toEqual([
      ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE'],
      [expect.stringMatching(/^istio-ingressgateway-[0-9a-f]{10}-\w{5}$/), '1/1', 'Running'],
      [expect.stringMatching(/^knative-ingressgateway-[0-9a-f]{10}-\w{5}$/), '1/1', 'Running'],
    ]);
  });

  it('2.2.6 shows the parts of Knative as Pods that run, and all Services and Pods', async () => {
    await expect.poll(() => kube('get pods --namespace knative-serving')).toMatch(/^webhook-/m);
    const parts = rows(await kube('get pods --namespace knative-serving')).slice(1);
    expect(parts.map(([name = '', ready, status]) => [name.split('-')[0], ready, status])).toEqual(
      ['activator', 'autoscaler', 'controller', 'webhook'].map((part) => [part, '1/1', 'Running']),
    );
    const services = rows(await kube('get svc --all-namespaces'));
    const port = new URL(runFileOf(dataDir).endpoints.gateway).port;
    expect(services).toContainEqual([
      'istio-system',
      'knative-ingressgateway',
      'LoadBalancer',
      '127.0.0.1',
      '<pending>',
      `80:${port}/TCP`,
    ]);
    expect(services.map(([, name]) => name)).toContain('kubernetes');
    expect(await kube('get pod --all-namespaces')).toMatch(
      /^knative-eventing +eventing-controller-\S+ +1\/1 +Running +0 /m,
    );
  });

  it('3.1 applies the Service, and its Pod is there with the name of a Deployment', async () => {
    await kube(
      'patch configmap config-autoscaler -n knative-serving --type=merge -p {"data":{"stable-window":"6s"}}',
    );
    expect(await kube('apply', SERVICE)).toBe('service.serving.knative.dev/hellodidiyun-go created\n');
    await kube('wait --for=condition=Ready ksvc/hellodidiyun-go --timeout=20s');
    const pods = rows(await kube('get pods')).slice(1);
    expect(pods).toEqual([
      [expect.stringMatching(/^hellodidiyun-go-00001-deployment-\w{9}-\w{5}$/), '2/2', 'Running'],
    ]);
  });

  it('3.1 finds the address by node and node port, and the domain of the Service', async () => {
    const node = await kube('get node --output jsonpath={.items[0].status.addresses[0].address}');
    const port = await kube(
      'get svc knative-ingressgateway --namespace istio-system --output jsonpath={.spec.ports[?(@.port==80)].nodePort}',
    );
    expect(`http://${node}:${port}`).toBe(runFileOf(dataDir).endpoints.gateway);
    const domain = 'hellodidiyun-go.default.example.com';
    expect(
      await kube(
        'get ksvc hellodidiyun-go --output=custom-columns=NAME:.metadata.name,DOMAIN:.status.domain',
      ),
    ).toBe(`NAME              DOMAIN\nhellodidiyun-go   ${domain}\n`);
    expect(await curl(domain, `${node}:${port}`)).toBe('Hello World: hello, didiyun!\n');
  });

  it('3.2 lets the Pod go when nobody asks, and has another one for the next who does', async () => {
    const gone = 'No resources found in default namespace.\n';
    await expect.poll(() => kube('get pods'), { timeout: 30_000, interval: 300 }).toBe(gone);
    const address = new URL(runFileOf(dataDir).endpoints.gateway).host;
    expect(await curl('hellodidiyun-go.default.example.com', address)).toBe('Hello World: hello, didiyun!\n');
    await expect
      .poll(() => kube('get pods'))
      .toMatch(/^hellodidiyun-go-00001-deployment-\w{9}-\w{5} +2\/2 +Running/m);
  });
});

describe('serving.knative.dev/v1alpha1 beside v1', { timeout: 60_000 }, () => {
  const then = 'services.v1alpha1.serving.knative.dev/hellodidiyun-go';

  it('reads back what it applied, and applying it again changes nothing', async () => {
    const image = '-o jsonpath={.spec.runLatest.configuration.revisionTemplate.spec.container.image}';
    expect(await kube(`get ${then} ${image}`)).toBe('doopymc/helloworld-go');
    expect(await kube('apply', SERVICE)).toBe('service.serving.knative.dev/hellodidiyun-go unchanged\n');
    expect(await kube(`get ${then} -o jsonpath={.spec.template}`)).toBe('');
  });

  it('shows the columns of its time', async () => {
    expect(rows(await kube(`get ${then}`))).toEqual([
      ['NAME', 'DOMAIN', 'LATESTCREATED', 'LATESTREADY', 'READY', 'REASON'],
      [
        'hellodidiyun-go',
        'hellodidiyun-go.default.example.com',
        'hellodidiyun-go-00001',
        'hellodidiyun-go-00001',
        expect.stringMatching(/^True/),
      ],
    ]);
    expect(rows(await kube('get revisions.v1alpha1.serving.knative.dev'))[0]).toEqual([
      'NAME',
      'SERVICE NAME',
      'READY',
      'REASON',
    ]);
    const state = '-o jsonpath={.spec.servingState}';
    const revision = 'revisions.v1alpha1.serving.knative.dev/hellodidiyun-go-00001';
    await expect.poll(() => kube(`get ${revision} ${state}`)).toBe('Active');
  });

  it('lists and explains both versions, today’s first', async () => {
    expect(await kube('api-resources --api-group=serving.knative.dev -o name')).toMatch(
      /^services\.serving/m,
    );
    expect(await kube('explain ksvc.spec --api-version=serving.knative.dev/v1alpha1')).toMatch(/runLatest/);
    expect(await kube('explain ksvc.spec')).not.toMatch(/runLatest/);
  });

  it('turns into a release by a patch of its time, which a client of v1 sees as traffic', async () => {
    const configuration = { revisionTemplate: { spec: { container: { image: 'doopymc/helloworld-go' } } } };
    const release = { revisions: ['hellodidiyun-go-00001', '@latest'], rolloutPercent: 10, configuration };
    const patch = JSON.stringify({ spec: { runLatest: null, release } });
    const { code, stderr } = await kubectl(['patch', then, '--type=merge', '-p', patch]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const traffic: unknown = JSON.parse(await kube('get ksvc hellodidiyun-go -o jsonpath={.spec.traffic}'));
    expect(traffic).toEqual([
      { tag: 'current', percent: 90, revisionName: 'hellodidiyun-go-00001', latestRevision: false },
      { tag: 'candidate', percent: 10, latestRevision: true },
      { tag: 'latest', percent: 0, latestRevision: true },
    ]);
    await kube('wait --for=condition=Ready ksvc/hellodidiyun-go --timeout=20s');
    const names = await kube(`get ${then} -o jsonpath={.status.traffic[*].name}`);
    expect(names.split(' ')).toEqual(['current', 'candidate', 'latest']);
  });

  it('is shown as of today once a client of v1 has changed it', async () => {
    const patch = '{"spec":{"traffic":[{"latestRevision":true,"percent":100}]}}';
    await kube(`patch ksvc hellodidiyun-go --type=merge -p ${patch}`);
    expect(await kube(`get ${then} -o jsonpath={.spec.release}`)).toBe('');
    const image = '{.spec.runLatest.configuration.revisionTemplate.spec.container.image}';
    expect(await kube(`get ${then} -o jsonpath=${image}`)).toBe('doopymc/helloworld-go');
  });

  it('manages nothing of a Service that is manual, and says so', async () => {
    const manual = `
apiVersion: serving.knative.dev/v1alpha1
kind: Service
metadata: {name: by-hand}
spec: {manual: {}}
`;
    await kube('apply', manual);
    const message = '-o jsonpath={.status.conditions[?(@.type=="Ready")].message}';
    await expect
      .poll(() => kube(`get ksvc by-hand ${message}`))
      .toBe('Service is set to Manual, and is not managing underlying resources.');
    expect(await kube('get configurations,routes by-hand --ignore-not-found')).toBe('');
  });

  it('refuses what was refused in 2018, in the words of then', async () => {
    const both = SERVICE.replace('runLatest:', 'manual: {}\n  runLatest:').replace(
      'hellodidiyun-go,',
      'two-ways,',
    );
    const { code, stderr } = await kubectl(['apply'], both);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /admission webhook "validation\.webhook\.serving\.knative\.dev" denied the request: validation failed: expected exactly one, got both: spec\.manual, spec\.runLatest/,
    );
  });
});

describe('the objects that stand for the platform', { timeout: 30_000 }, () => {
  it('come back when somebody deletes them', async () => {
    const before = await kube('get pods -n knative-serving -l app=activator -o name');
    await kube(`delete -n knative-serving ${before.trim()}`);
    await expect
      .poll(() => kube('get pods -n knative-serving -l app=activator -o name'))
      .toMatch(/^pod\/activator-/);
    expect(await kube('get pods -n knative-serving -l app=activator -o name')).not.toBe(before);
    await kube('delete service -n istio-system istio-ingressgateway');
    await expect
      .poll(() => kube('get svc -n istio-system istio-ingressgateway --ignore-not-found -o name'))
      .toBe('service/istio-ingressgateway\n');
  });

  it('show the node as kubectl shows one', async () => {
    expect(rows(await kube('get nodes'))).toEqual([
      ['NAME', 'STATUS', 'ROLES', 'AGE', 'VERSION'],
      ['millrace', 'Ready', 'control-plane', 'v1.34.1'],
    ]);
  });
});
