import { beforeEach, describe, expect, it } from 'vitest';
import { CLUSTER_DOMAIN_CLAIM } from '../../../src/apis/networking/cluster-domain-claim/cluster-domain-claim.ts';
import { INGRESS } from '../../../src/apis/networking/ingress/types.ts';
import { DOMAIN_MAPPING } from '../../../src/apis/serving/domain-mapping/types.ts';
import { KINDS } from '../../../src/apis/serving/types.ts';
import { domainMappingReconciler } from '../../../src/serving/control/domain-mapping-reconciler.ts';
import { makeCa, makeCertificate } from '../../kit/certificates.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { aService } from '../../kit/serving-objects.ts';
import { ServingWorld } from '../../kit/serving-world.ts';
import type { World } from '../../kit/world.ts';

const NAME = 'shop.example';
const TO = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'hello' };
const folder = temporaryFolder('mapping');
makeCa(folder, 'ca');

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
  await world.apply(aService());
  await world.state(KINDS.service, 'hello', { address: { url: 'http://hello.default.svc.cluster.local' } });
});

type Parts = { readonly ref?: object; readonly annotations?: Record<string, string>; readonly tls?: string };
const map = ({ ref = TO, annotations = {}, tls }: Parts = {}): Promise<unknown> =>
  world.apply({
    ...DOMAIN_MAPPING,
    metadata: { name: NAME, namespace: 'default', annotations },
    spec: { ref, ...(tls !== undefined && { tls: { secretName: tls } }) },
  });
const pass = async (): Promise<void> => {
  const { door } = serving;
  await world.pass(domainMappingReconciler(world.controller, { door, clock: world.clock }), NAME);
};
const made = async (parts: Parts = {}): Promise<void> => {
  await map(parts);
  await pass();
};
const condition = (type: string) => serving.condition(DOMAIN_MAPPING, NAME, type);
const secret = (name: string, ...names: string[]): Promise<unknown> => {
  const { cert, key } = makeCertificate(folder, name, ...names);
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  const content = { 'tls.crt': encoded(cert), 'tls.key': encoded(key) };
  return world.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'default' },
    type: 'kubernetes.io/tls',
    data: content,
  });
};

describe('a DomainMapping', () => {
  it('is ready with upstream’s conditions once the gateway routes by its Ingress', async () => {
    await made();
    expect(await condition('IngressReady')).toMatchObject({
      status: 'Unknown',
      reason: 'IngressNotConfigured',
    });
    await serving.ingress(NAME);
    await pass();
    for (const type of ['Ready', 'DomainClaimed', 'ReferenceResolved', 'IngressReady'])
      expect(await condition(type)).toEqual({ status: 'True' });
    expect(await condition('CertificateProvisioned')).toMatchObject({
      status: 'True',
      reason: 'TLSNotEnabled',
    });
    const { status, metadata } = await world.get(DOMAIN_MAPPING, NAME);
    const url = `http://${NAME}`;
    expect(status).toMatchObject({ url, address: { url } });
    const ingress = await world.get(INGRESS, NAME);
    expect(ingress.metadata.labels).toMatchObject({
      'serving.knative.dev/domainMappingUID': metadata.uid,
      'serving.knative.dev/domainMappingNamespace': 'default',
    });
    expect(ingress['spec']).toEqual({
      httpOption: 'Enabled',
      rules: [
        {
          hosts: [NAME],
          visibility: 'ExternalIP',
          http: { paths: [{ rewriteHost: 'hello.default.svc.cluster.local', splits: expect.anything() }] },
        },
      ],
    });
  });

  it.each([
    [{ ...TO, name: 'none' }, 'Service default/none is not found'],
    [
      { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel', name: 'orders' },
      'resolved URI "http://127.0.0.1:8081/channels/default/orders" contains a path',
    ],
    [
      { apiVersion: 'serving.knative.dev/v1', kind: 'Route', name: 'away' },
      'resolved URI "http://away.else.svc.cluster.local" must be in same namespace as DomainMapping',
    ],
    [
      { apiVersion: 'serving.knative.dev/v1', kind: 'Route', name: 'outside' },
      'resolved URI "http://outside.example" must be of the form {name}.{namespace}.svc.cluster.local',
    ],
  ])('says of %j why it cannot lead there', async (ref, message) => {
    for (const [name, url] of Object.entries({
      away: 'http://away.else.svc.cluster.local',
      outside: 'http://outside.example',
    })) {
      await world.apply({
        ...KINDS.route,
        metadata: { name, namespace: 'default' },
        spec: { traffic: [{ configurationName: 'x', percent: 100 }] },
      });
      await world.state(KINDS.route, name, { address: { url } });
    }
    const channel = { apiVersion: 'messaging.knative.dev/v1', kind: 'Channel' };
    await world.apply({ ...channel, metadata: { name: 'orders', namespace: 'default' }, spec: {} });
    await world.state(channel, 'orders', {
      address: { url: 'http://127.0.0.1:8081/channels/default/orders' },
    });
    await made({ ref });
    expect(await condition('ReferenceResolved')).toEqual({
      status: 'False',
      reason: 'ResolveFailed',
      message,
    });
  });

  it('leads to a v1 Service by its name inside', async () => {
    await made({ ref: { apiVersion: 'v1', kind: 'Service', name: 'plain' } });
    expect(await condition('ReferenceResolved')).toEqual({ status: 'True' });
  });

  it('has the names below it, and paths whose Services are there', async () => {
    const annotations = {
      'networking.millrace.dev/wildcard': 'true',
      'networking.millrace.dev/paths': '/api=api',
    };
    await made({ annotations });
    expect(await condition('ReferenceResolved')).toMatchObject({
      status: 'False',
      message: 'path /api: Service default/api is not found',
    });
    await world.apply(aService({ name: 'api' }));
    await pass();
    const { spec } = (await world.get(INGRESS, NAME)) as unknown as { spec: { rules: unknown[] } };
    expect(spec.rules).toMatchObject([
      {
        hosts: [NAME, `*.${NAME}`],
        http: { paths: [{ path: '/api', rewriteHost: 'api.default.svc.cluster.local' }, { splits: [{}] }] },
      },
    ]);
  });

  it('gives its Ingress up when its claim is another’s', async () => {
    await made();
    await world.apply({ ...CLUSTER_DOMAIN_CLAIM, metadata: { name: NAME }, spec: { namespace: 'else' } });
    await pass();
    expect(await condition('DomainClaimed')).toEqual({
      status: 'False',
      reason: 'DomainAlreadyClaimed',
      message: 'The domain name is already in use by another DomainMapping',
    });
    await expect(world.get(INGRESS, NAME)).rejects.toThrow('no Ingress');
  });

  it('says that a Secret is of no use while the gateway has no TLS listener', async () => {
    await secret('mine', NAME);
    await made({ tls: 'mine' });
    expect(await condition('CertificateProvisioned')).toEqual({
      status: 'False',
      reason: 'NoTLSListener',
      message: 'the gateway has no TLS listener; up --gateway-tls HOST:PORT opens one',
    });
    expect((await world.get(DOMAIN_MAPPING, NAME)).status).toMatchObject({ url: `http://${NAME}` });
  });

  it('is asked for by https with a Secret, and says when its certificate has come to its end', async () => {
    serving.door = { ...serving.door, httpsPort: 8444 };
    world.clock.advance(Date.now() - world.clock.nowMs());
    await secret('mine', NAME);
    await made({ tls: 'mine', annotations: { 'networking.knative.dev/http-protocol': 'Redirected' } });
    expect(await condition('CertificateProvisioned')).toEqual({
      status: 'True',
      reason: 'CertificateExternallyProvided',
      message: 'TLS certificate was provided externally',
    });
    expect((await world.get(DOMAIN_MAPPING, NAME)).status).toMatchObject({ url: `https://${NAME}:8444` });
    expect((await world.get(INGRESS, NAME))['spec']).toMatchObject({
      httpOption: 'Redirected',
      tls: [{ hosts: [NAME], secretName: 'mine', secretNamespace: 'default' }],
    });
    world.clock.advance(3 * 86_400_000);
    await pass();
    expect(await condition('CertificateProvisioned')).toMatchObject({
      status: 'False',
      reason: 'CertificateExpired',
    });
  });

  it('says what http-protocol cannot be, and when it has no effect', async () => {
    await made({ annotations: { 'networking.knative.dev/http-protocol': 'Never' } });
    expect(await condition('IngressReady')).toEqual({
      status: 'False',
      reason: 'ErrorConfig',
      message: 'incorrect http-protocol annotation: never',
    });
    await made({ annotations: { 'networking.knative.dev/http-protocol': 'Redirected' } });
    const { message } = (await condition('CertificateProvisioned')) ?? {};
    expect(message).toContain('http-protocol Redirected has no effect');
  });
});
