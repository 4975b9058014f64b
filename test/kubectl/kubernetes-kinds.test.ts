import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openTestApi, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';

let api: TestApi;
beforeAll(async () => {
  api = await openTestApi(temporaryFolder('kubernetes-kinds'));
});
afterAll(() => api.close());

async function ok(args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await api.kubectl(args, input);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}
const WEB = (more = '', template = 'app: web'): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {${template}}}
    spec:
      containers:
        - {name: web, image: web, ports: [{containerPort: 8080}], env: [{name: A, value: one}]}
${more}
`;
const containers = async (): Promise<unknown> =>
  JSON.parse(await ok(['get', 'deploy', 'web', '-o', 'jsonpath={.spec.template.spec.containers}']));

describe('Kubernetes’ own kinds', { timeout: 60_000 }, () => {
  it('come in a List, items and all', async () => {
    const list = `apiVersion: v1
kind: List
items:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: listed}, data: {x: '1'}}
  - {apiVersion: v1, kind: Service, metadata: {name: listed}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}`;
    expect(await ok(['apply'], list)).toBe('configmap/listed created\nservice/listed created\n');
    expect(await ok(['apply'], list)).toBe('configmap/listed unchanged\nservice/listed unchanged\n');
  });

  it('are applied again, edited and set as lists with keys are', async () => {
    await ok(['apply'], WEB());
    await ok(['set', 'image', 'deploy/web', 'web=web:2']);
    await ok(['set', 'env', 'deploy/web', 'B=two']);
    expect(await containers()).toMatchObject([
      { name: 'web', image: 'web:2', env: [{ name: 'A' }, { name: 'B' }], ports: [{ containerPort: 8080 }] },
    ]);
    expect(await ok(['apply'], WEB('        - {name: side, image: side}'))).toBe(
      'deployment.apps/web configured\n',
    );
    expect(await containers()).toMatchObject([
      { name: 'web', image: 'web', env: [{ name: 'A' }, { name: 'B' }] },
      { name: 'side' },
    ]);
    await ok(['apply'], WEB());
    expect(await containers()).toHaveLength(1);
  });

  it('are made by kubectl’s own commands, which speak protobuf', async () => {
    await ok([
      'create',
      'deployment',
      'made',
      '--image=nginx',
      '--replicas=2',
      '--port=80',
      '--',
      'serve',
      '-v',
    ]);
    expect(JSON.parse(await ok(['get', 'deploy', 'made', '-o', 'json']))).toMatchObject({
      spec: {
        replicas: 2,
        template: {
          spec: {
            containers: [
              {
                name: 'nginx',
                image: 'nginx',
                command: ['serve', '-v'],
                ports: [{ containerPort: 80, protocol: 'TCP' }],
              },
            ],
          },
        },
      },
    });
    await ok(['create', 'cronjob', 'often', '--image=x', '--schedule=*/5 * * * *', '--', 'date']);
    await ok(['create', 'job', 'now', '--from=cronjob/often']);
    expect(JSON.parse(await ok(['get', 'job', 'now', '-o', 'json']))).toMatchObject({
      metadata: {
        annotations: { 'cronjob.kubernetes.io/instantiate': 'manual' },
        ownerReferences: [{ kind: 'CronJob', name: 'often', controller: true }],
      },
      spec: { template: { spec: { restartPolicy: 'OnFailure', containers: [{ command: ['date'] }] } } },
    });
    await ok(['expose', 'deploy', 'made', '--port=80', '--target-port=8080']);
    await ok(['create', 'service', 'externalname', 'far', '--external-name=far.example']);
    expect(await ok(['get', 'svc', 'made', 'far'])).toMatch(
      /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nmade +ClusterIP +127\.0\.0\.1 +<none> +80\/TCP +\d+s\nfar +ExternalName +<none> +far\.example +<none> +\d+s\n$/,
    );
  });

  it('leave what they own behind, or wait for it, as --cascade says', async () => {
    const owned = async (owner: string): Promise<void> => {
      await ok(['create', 'deployment', owner, '--image=x']);
      const uid = await ok(['get', 'deploy', owner, '-o', 'jsonpath={.metadata.uid}']);
      const reference = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: owner,
        uid,
        blockOwnerDeletion: true,
      };
      const metadata = { name: `${owner}s`, ownerReferences: [reference] };
      await ok(['apply'], JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata }));
    };
    const left = async (owner: string): Promise<string> =>
      ok(['get', 'deploy,cm', owner, `${owner}s`, '--ignore-not-found', '-o', 'name']);
    await owned('orphaning');
    await ok(['delete', 'deploy', 'orphaning', '--cascade=orphan']);
    expect(await left('orphaning')).toBe('configmap/orphanings\n');
    await owned('waiting');
    await ok(['delete', 'deploy', 'waiting', '--cascade=foreground']);
    expect(await left('waiting')).toBe('');
  });

  it('are not scaled by an autoscaler of a user’s own, and kubectl autoscale is told what does', async () => {
    const { code, stderr } = await api.kubectl(['autoscale', 'deploy/made', '--max=3', '--cpu-percent=50']);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(
        /^The HorizontalPodAutoscaler "made" is invalid: spec\.scaleTargetRef: Forbidden: nothing here scales by .* kubectl scale sets the replicas of a Deployment\n$/,
      ),
    });
  });

  it('are described: a Service by slices whose ports nobody has named', async () => {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'listed-1', labels: { 'kubernetes.io/service-name': 'listed' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
      ports: [{ port: 8080 }],
    };
    await ok(['apply'], JSON.stringify(slice));
    expect(await ok(['describe', 'svc', 'listed'])).toMatch(/^Endpoints: +127\.0\.0\.1:8080$/m);
  });

  it('look as Kubernetes prints them', async () => {
    expect(await ok(['get', 'deploy', 'made', '-o', 'wide'])).toMatch(
      /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\nmade +0\/2 +0 +0 +\d+s +nginx +nginx +app=made\n$/,
    );
    expect(await ok(['get', 'cronjob'])).toMatch(
      /^NAME +SCHEDULE +TIMEZONE +SUSPEND +ACTIVE +LAST SCHEDULE +AGE\noften +\*\/5 \* \* \* \* +<none> +False +0 +<none> +\d+s\n$/,
    );
    expect(await ok(['get', 'job', 'now'])).toMatch(
      /^NAME +STATUS +COMPLETIONS +DURATION +AGE\nnow +Running +0\/1 +\d+s\n$/,
    );
  });

  it('are said to run without what is not honoured', async () => {
    const pod = `apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {hostNetwork: true, nodeSelector: {a: b}, containers: [{name: x, image: x, lifecycle: {preStop: {exec: {command: [a]}}}}]}`;
    const { code, stderr } = await api.kubectl(['apply'], pod);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr:
        'Warning: spec.hostNetwork: not honoured here, it runs without\nWarning: spec.containers[0].lifecycle: not honoured here, it runs without\n',
    });
  });

  it.each([
    [
      'a selector that is not its template’s',
      WEB('', 'app: other'),
      'The Deployment "web" is invalid: spec.template.metadata.labels: Invalid value: {"app":"other"}: `selector` does not match template `labels`\n',
    ],
    [
      'another selector than before',
      WEB('', 'app: web, tier: x').replace('matchLabels: {app: web}', 'matchLabels: {tier: x}'),
      'field is immutable',
    ],
    [
      'a field that is none',
      WEB('', 'app: web').replace('image: web', 'imagee: web'),
      'unknown field "spec.template.spec.containers[0].imagee"',
    ],
    [
      'a Deployment without containers',
      'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: none}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}',
      'The Deployment "none" is invalid: spec.template.spec.containers: Required value\n',
    ],
    [
      'a Deployment whose Pods end',
      WEB('      restartPolicy: Never').replace('{name: web}', '{name: ends}'),
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    [
      'a Job whose Pods never end',
      'apiVersion: batch/v1\nkind: Job\nmetadata: {name: never}\nspec: {template: {spec: {containers: [{name: x, image: x}]}}}',
      'The Job "never" is invalid: spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"\n',
    ],
    [
      'a CronJob without a time',
      'apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: when}\nspec: {schedule: often, jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: x, image: x}]}}}}}',
      'The CronJob "when" is invalid: spec.schedule: Invalid value: "often": expected exactly 5 fields, found 1: [often]\n',
    ],
    [
      'a Service without ports',
      'apiVersion: v1\nkind: Service\nmetadata: {name: deaf}\nspec: {selector: {a: b}}',
      'The Service "deaf" is invalid: spec.ports: Required value\n',
    ],
    [
      'a Service of a port that is none',
      'apiVersion: v1\nkind: Service\nmetadata: {name: deaf}\nspec: {ports: [{port: 70000}]}',
      'spec.ports[0].port: Invalid value: 70000: must be between 1 and 65535, inclusive',
    ],
  ])('are refused %s, in Kubernetes’ words', async (_, manifest, text) => {
    const { code, stderr } = await api.kubectl(['apply'], manifest);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining(text) });
  });
});
