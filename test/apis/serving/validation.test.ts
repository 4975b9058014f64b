import { beforeAll, describe, expect, it } from 'vitest';
import type { Configuration, Revision } from '../../../src/apis/serving/types.ts';
import { aConfiguration, aRevision, aRoute, aService } from '../../kit/serving-objects.ts';
import { World } from '../../kit/world.ts';

const DENIED =
  'admission webhook "validation.webhook.serving.knative.dev" denied the request: validation failed: ';
const CONTAINER = 'spec.template.spec.containers[0]';
const LABEL =
  "[a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')]";

let world: World;
beforeAll(async () => {
  world = await World.open();
});

describe('a Service is refused in upstream’s words', () => {
  it.each([
    [
      'reserved variable',
      { container: { env: [{ name: 'K_SERVICE', value: 'x' }] } },
      `"K_SERVICE" is a reserved environment variable: ${CONTAINER}.env[0].name`,
    ],
    [
      'unnamed variable',
      { container: { env: [{ name: '', value: 'x' }] } },
      `missing field(s): ${CONTAINER}.env[0].name`,
    ],
    [
      'PORT',
      { container: { env: [{ name: 'PORT', value: '1' }] } },
      `"PORT" is a reserved environment variable: ${CONTAINER}.env[0].name`,
    ],
    ['no image', { container: { image: '' } }, `missing field(s): ${CONTAINER}.image`],
    [
      'the name of the proxy',
      { container: { name: 'queue-proxy' } },
      `"queue-proxy" is a reserved container name: ${CONTAINER}.name`,
    ],
    [
      'reserved port',
      { container: { ports: [{ containerPort: 8012 }] } },
      `invalid value: 8012 is a reserved port: ${CONTAINER}.ports.containerPort\n8012 is a reserved port, please use a different value`,
    ],
    [
      'port out of range',
      { container: { ports: [{ containerPort: 65_536 }] } },
      `expected 0 <= 65536 <= 65535: ${CONTAINER}.ports.containerPort`,
    ],
    [
      'two ports',
      { container: { ports: [{ containerPort: 1 }, { containerPort: 2 }] } },
      `more than one container port is set: spec.template.spec.containers[*].ports\nOnly a single port is allowed across all containers`,
    ],
    [
      'port name',
      { container: { ports: [{ name: 'web' }] } },
      `Port name web is not allowed: ${CONTAINER}.ports\nName must be empty, or one of: 'h2c', 'http1'`,
    ],
    [
      'host port',
      { container: { ports: [{ hostPort: 80 }] } },
      `must not set the field(s): ${CONTAINER}.ports.hostPort`,
    ],
    [
      'lifecycle',
      { container: { lifecycle: {} } as object },
      `must not set the field(s): ${CONTAINER}.lifecycle`,
    ],
    ['no container', { spec: { containers: [] } }, 'missing field(s): spec.template.spec.containers'],
    [
      'host network',
      { spec: { hostNetwork: true } },
      'must not set the field(s): spec.template.spec.hostNetwork',
    ],
    [
      'timeout',
      { spec: { timeoutSeconds: 601 } },
      'expected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds',
    ],
    [
      'concurrency',
      { spec: { containerConcurrency: 1001 } },
      'expected 0 <= 1001 <= 1000: spec.template.spec.containerConcurrency',
    ],
    [
      'revision name',
      { template: { name: 'other-1' } },
      'invalid value: "other-1" must have prefix "hello-": spec.template.metadata.name',
    ],
    [
      'revision name form',
      { template: { name: 'hello-A' } },
      `invalid value: not a DNS 1035 label: ${LABEL}: spec.template.metadata.name`,
    ],
    ['sum', { traffic: [{ percent: 50 }] }, 'Traffic targets sum to 50, want 100: spec.traffic'],
    [
      'percent',
      { traffic: [{ percent: 101 }, { percent: -1 }] },
      'expected 0 <= -1 <= 100: spec.traffic[1].percent\nexpected 0 <= 101 <= 100: spec.traffic[0].percent',
    ],
    [
      'same tags',
      { traffic: [{ percent: 100, tag: 'a' }, { tag: 'a' }] },
      'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[1].tag',
    ],
    [
      'tag form',
      { traffic: [{ percent: 100, tag: 'A' }] },
      `invalid value: not a DNS 1035 label: ${LABEL}: spec.traffic.tag[0]`,
    ],
    [
      'url',
      { traffic: [{ percent: 100, url: 'http://x' }] },
      'must not set the field(s): spec.traffic[0].url',
    ],
    [
      'configuration',
      { traffic: [{ percent: 100, configurationName: 'x' }] },
      'must not set the field(s): spec.traffic[0].configurationName',
    ],
    [
      'latest and named',
      { traffic: [{ percent: 100, latestRevision: true, revisionName: 'x' }] },
      'may not set revisionName "x" when latestRevision is true: spec.traffic[0].latestRevision',
    ],
    [
      'neither latest nor named',
      { traffic: [{ percent: 100, latestRevision: false }] },
      'may not set revisionName "" when latestRevision is false: spec.traffic[0].latestRevision',
    ],
    [
      'misplaced annotation',
      { metadata: { annotations: { 'autoscaling.knative.dev/min-scale': '1' } } },
      'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\nautoscaling annotations must be put under "spec.template.metadata.annotations" to work',
    ],
  ])('%s', async (_, parts, text) => {
    expect(await world.refusal(aService(parts))).toBe(DENIED + text);
  });

  it('with all that is wrong at once', async () => {
    expect(
      await world.refusal(
        aService({ spec: { timeoutSeconds: 601 }, container: { image: '' }, traffic: [{ percent: 1 }] }),
      ),
    ).toBe(
      `${DENIED}Traffic targets sum to 1, want 100: spec.traffic\nexpected 0 <= 601 <= 600: spec.template.spec.timeoutSeconds\nmissing field(s): ${CONTAINER}.image`,
    );
  });

  it('without a template', async () => {
    const bare = { ...aService(), spec: {} };
    expect(await world.refusal(bare)).toBe(`${DENIED}missing field(s): spec.template.spec.containers`);
  });

  it('a service account that is no name', async () => {
    expect(await world.refusal(aService({ spec: { serviceAccountName: 'A@b' } }))).toContain(
      'invalid value: A@b: spec.template.spec.serviceAccountName\na lowercase RFC 1123 subdomain must consist of',
    );
  });
});

describe('autoscaling annotations', () => {
  const AT = 'spec.template.metadata.annotations.autoscaling.knative.dev';
  const annotated = (annotations: Record<string, string>): object =>
    aService({
      template: {
        annotations: Object.fromEntries(
          Object.entries(annotations).map(([name, value]) => [`autoscaling.knative.dev/${name}`, value]),
        ),
      },
    });

  it.each([
    [{ 'min-scale': 'x' }, `invalid value: x: ${AT}/min-scale`],
    [{ 'max-scale': '-1' }, `expected 0 <= -1 <= 2147483647: ${AT}/max-scale`],
    [
      { 'min-scale': '3', 'max-scale': '2' },
      `max-scale=2 is less than min-scale=3: ${AT}/max-scale, ${AT}/min-scale`,
    ],
    [{ window: '5s' }, `expected 6s <= 5s <= 1h0m0s: ${AT}/window`],
    [{ window: '6500ms' }, `must be specified with at most second precision: ${AT}/window`],
    [{ window: 'soon' }, `invalid value: soon: ${AT}/window`],
    [{ 'scale-down-delay': '2h' }, `expected 0s <= 2h <= 1h0m0s: ${AT}/scale-down-delay`],
    [{ target: '0' }, `target 0 should be at least 0.01: ${AT}/target`],
    [
      { 'target-utilization-percentage': '101' },
      `expected 1 <= 101 <= 100: ${AT}/target-utilization-percentage`,
    ],
    [{ 'target-burst-capacity': '-2' }, `invalid value: -2: ${AT}/target-burst-capacity`],
    [{ 'panic-window-percentage': '0.5' }, `expected 1 <= 0.5 <= 100: ${AT}/panic-window-percentage`],
    [
      { 'panic-threshold-percentage': '109' },
      `expected 110 <= 109 <= 1000: ${AT}/panic-threshold-percentage`,
    ],
    [{ metric: 'cpu' }, `invalid value: cpu: ${AT}/metric`],
    [{ 'initial-scale': '-1' }, `invalid value: -1: ${AT}/initial-scale must be greater than 0`],
    [{ 'initial-scale': 'x' }, `invalid value: x: ${AT}/initial-scale`],
    [{ minScale: '-1' }, `expected 0 <= -1 <= 2147483647: ${AT}/minScale`],
    [{ 'max-scale': '2147483648' }, `expected 0 <= 2147483648 <= 2147483647: ${AT}/max-scale`],
    [{ 'min-scale': '0x1' }, `invalid value: 0x1: ${AT}/min-scale`],
    [{ class: 'foo.autoscaling.knative.dev' }, `invalid value: foo.autoscaling.knative.dev: ${AT}/class`],
    [{ class: 'hpa.autoscaling.knative.dev', metric: '' }, `invalid value: : ${AT}/metric`],
    [
      { class: 'kpa.autoscaling.knative.dev', 'metric-aggregation-algorithm': 'median' },
      `invalid value: median: ${AT}/metric-aggregation-algorithm`,
    ],
    [{ 'activation-scale': 'x' }, `invalid value: x: ${AT}/activation-scale`],
    [{ 'activation-scale': '1' }, `activation-scale=1 must be greater than 1: ${AT}/activation-scale`],
    [
      { 'activation-scale': '5', 'max-scale': '3' },
      `max-scale=3 is less than activation-scale=5: ${AT}/activation-scale`,
    ],
    [
      { 'scale-to-zero-pod-retention-period': '61m' },
      `expected 0s <= 61m <= 1h0m0s: ${AT}/scale-to-zero-pod-retention-period`,
    ],
    [{ targetUtilizationPercentage: 'x' }, `invalid value: x: ${AT}/targetUtilizationPercentage`],
  ])('%o is refused', async (annotations: Record<string, string>, text) => {
    expect(await world.refusal(annotated(annotations))).toBe(DENIED + text);
  });

  it('are taken by their old names too, and those nobody knows are left alone', async () => {
    await world.apply(
      annotated({ minScale: '0', maxScale: '5', whatever: 'x', 'target-burst-capacity': '-1' }),
    );
    expect(await world.refusal(annotated({ minScale: 'x' }))).toContain('invalid value: x');
  });

  it.each([
    { class: 'hpa.autoscaling.knative.dev', metric: 'memory', target: '200' },
    { class: 'mine.example.com', metric: 'anything', 'metric-aggregation-algorithm': 'own' },
    { 'metric-aggregation-algorithm': 'weighted-exponential' },
    { 'min-scale': '1', minScale: 'x' }, // the current spelling counts
    { 'scale-to-zero-pod-retention-period': '1500ms' },
  ])('%o are taken', async (annotations: Record<string, string>) => {
    await world.apply(annotated(annotations));
  });

  it('have a limit where config-autoscaler sets one', async () => {
    const own = await World.open();
    await own.configMap('knative-serving', 'config-autoscaler', { 'max-scale': '2', 'max-scale-limit': '9' });
    expect(await own.refusal(annotated({ 'max-scale': '10' }))).toBe(
      `${DENIED}expected 1 <= 10 <= 9: ${AT}/max-scale`,
    );
    expect(await own.refusal(annotated({ maxScale: '0' }))).toBe(
      `${DENIED}max-scale=0 (unlimited), must be less than 9: ${AT}/maxScale`,
    );
    await own.apply(annotated({ 'max-scale': '9' }));
  });

  it('start at zero unless config-autoscaler forbids it', async () => {
    const own = await World.open();
    await own.apply(annotated({ 'initial-scale': '0' }));
    await own.configMap('knative-serving', 'config-autoscaler', { 'allow-zero-initial-scale': 'false' });
    const other = {
      ...annotated({ 'initial-scale': '0' }),
      metadata: { name: 'other', namespace: 'default' },
    };
    expect(await own.refusal(other)).toBe(
      `${DENIED}invalid value: 0: ${AT}/initial-scale=0 not allowed by cluster`,
    );
  });
});

describe('a revision', () => {
  it('cannot be another one, but have other labels', async () => {
    const made = (await world.apply(aRevision('fixed'))) as unknown as Revision;
    const { resourceVersion: _, ...metadata } = made.metadata;
    await world.apply({ ...made, metadata: { ...metadata, labels: { a: 'b' } } });
    const { containers = [] } = made.spec;
    const other = { ...made.spec, containers: [{ ...containers[0], image: 'dev.local/other' }] };
    expect(await world.refusal({ ...made, metadata, spec: other })).toBe(
      `${DENIED}Immutable fields changed (-old +new): spec\n{v1.RevisionSpec}.PodSpec.Containers[0].Image:\n\t-: "dev.local/hello"\n\t+: "dev.local/other"\n`,
    );
  });

  it('is the same one in another order of its members', async () => {
    await world.apply(aRevision('ordered'));
    const { spec } = (await world.get(
      { apiVersion: 'serving.knative.dev/v1', kind: 'Revision' },
      'ordered',
    )) as unknown as {
      spec: object;
    };
    const turned = Object.fromEntries(Object.entries(spec).toReversed());
    const before = world.version;
    await world.apply({ ...aRevision('ordered'), spec: turned });
    expect(world.version).toBe(before);
  });

  it('with a name of its user’s needs a new name for a new template', async () => {
    await world.apply(aConfiguration({ name: 'named', template: { name: 'named-one' } }));
    const made = (await world.apply(
      aConfiguration({ name: 'named', template: { name: 'named-one' } }),
    )) as unknown as Configuration;
    const { template } = made.spec;
    const other = { template: { ...template, spec: { ...template?.spec, timeoutSeconds: 5 } } };
    expect(await world.refusal({ ...made, spec: other })).toBe(
      `${DENIED}Saw the following changes without a name change (-old +new): spec.template.metadata.name\n*{*v1.RevisionTemplateSpec}.Spec.TimeoutSeconds:\n\t-: "300"\n\t+: "5"\n`,
    );
    await world.apply(
      aConfiguration({ name: 'named', template: { name: 'named-two' }, spec: { timeoutSeconds: 5 } }),
    );
  });
});

describe('a Route', () => {
  it.each([
    ['no traffic', [], 'Traffic targets sum to 0, want 100: spec.traffic'],
    [
      'nobody',
      [{ percent: 100 }],
      'expected exactly one, got neither: spec.traffic[0].configurationName, spec.traffic[0].revisionName',
    ],
    [
      'two',
      [{ percent: 100, configurationName: 'a', revisionName: 'b' }],
      'expected exactly one, got both: spec.traffic[0].configurationName, spec.traffic[0].revisionName',
    ],
  ])('to %s is refused', async (_, traffic, text) => {
    expect(await world.refusal(aRoute('r', traffic))).toBe(DENIED + text);
  });
});

it('a shape that is wrong is refused by the API server itself', async () => {
  expect(await world.refusal(aService({ spec: { timeoutSeconds: 'long' } }))).toBe(
    'Service.serving.knative.dev "hello" is invalid: spec.template.spec.timeoutSeconds: Invalid value: "string": spec.template.spec.timeoutSeconds in body must be of type integer: "string"',
  );
  const variable = { name: 'DEBUG', value: true }; // what YAML makes of `value: y`
  expect(
    await world.refusal(aService({ spec: { containers: [{ image: 'x', env: [variable] }] } })),
  ).toContain('spec.template.spec.containers[0].env[0].value in body must be of type string: "boolean"');
});
