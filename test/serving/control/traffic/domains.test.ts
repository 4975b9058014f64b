import { beforeEach, describe, expect, it } from 'vitest';
import { INGRESS, type Ingress } from '../../../../src/apis/networking/ingress/types.ts';
import { KINDS } from '../../../../src/apis/serving/types.ts';
import { aRevision, aRoute } from '../../../kit/serving-objects.ts';
import { ServingWorld } from '../../../kit/serving-world.ts';
import type { World } from '../../../kit/world.ts';

let serving: ServingWorld;
let world: World;
beforeEach(async () => {
  serving = await ServingWorld.open();
  world = serving.world;
  await world.apply(aRevision('a-00001'));
  await serving.ready('a-00001');
});

const TRAFFIC = [
  { revisionName: 'a-00001', percent: 100 },
  { revisionName: 'a-00001', percent: 0, tag: 'v2' },
];
const route = async (labels: Record<string, string> = {}, name = 'a'): Promise<void> => {
  await world.apply(aRoute(name, TRAFFIC, labels));
  await serving.routed(name);
};
const network = (data: Record<string, string>): Promise<unknown> =>
  world.configMap('knative-serving', 'config-network', data);
const domains = (data: Record<string, string>): Promise<unknown> =>
  world.configMap('knative-serving', 'config-domain', data);
const url = async (name = 'a'): Promise<unknown> => (await world.get(KINDS.route, name)).status?.['url'];
const hosts = async (): Promise<readonly string[]> => {
  const { spec } = (await world.get(INGRESS, 'a')) as unknown as Ingress; // of that kind
  return spec.rules.filter(({ visibility }) => visibility === 'ExternalIP').flatMap((rule) => rule.hosts);
};

describe('the hosts of a Route', () => {
  it('are below the domain that config-domain has for its labels, else below --domain', async () => {
    await domains({ 'red.example': 'selector:\n  team: red\n' });
    await route({ team: 'red' });
    expect(await hosts()).toEqual(['a.default.red.example', 'v2-a.default.red.example']);
    await route({ team: 'blue' });
    expect([await url(), await hosts()]).toEqual([
      'http://a.default.localhost',
      ['a.default.localhost', 'v2-a.default.localhost'],
    ]);
  });

  it('are none outside below svc.cluster.local', async () => {
    await domains({ 'svc.cluster.local': 'selector:\n  team: red\n' });
    await route({ team: 'red' });
    expect([await url(), await hosts()]).toEqual(['http://a.default.svc.cluster.local', []]);
  });

  it('are made by the templates of config-network', async () => {
    await network({
      'domain-template': '{{.Name}}-{{index .Labels "team"}}.{{.Domain}}',
      'tag-template': '{{.Name}}--{{.Tag}}',
    });
    await route({ team: 'red' });
    expect(await hosts()).toEqual(['a-red.localhost', 'a--v2-red.localhost']);
    expect(await world.get({ apiVersion: 'v1', kind: 'Service' }, 'a--v2')).toBeDefined();
    await network({});
    await serving.routed('a');
    expect(await hosts()).toEqual(['a.default.localhost', 'v2-a.default.localhost']);
    await expect(world.get({ apiVersion: 'v1', kind: 'Service' }, 'a--v2')).rejects.toThrow('no Service');
  });

  it('are refused when DNS has no such names', async () => {
    await network({ 'domain-template': '{{index .Labels "team"}}.{{.Name}}.{{.Domain}}' });
    await route();
    expect(await serving.condition(KINDS.route, 'a', 'AllTrafficAssigned')).toEqual({
      status: 'False',
      reason: 'ErrorConfig',
      message:
        'domain name error: invalid domain name ".a.localhost": url: Invalid value: "": a lowercase RFC 1123 label is expected',
    });
  });

  it('are asked for as --public-url says, at its port and by its scheme, and at those of --domain, too', async () => {
    serving.door = { ...serving.door, publicUrl: new URL('https://apps.example:8443'), httpPort: 8080 };
    await route();
    expect(await url()).toBe('https://a.default.apps.example:8443');
    expect(await hosts()).toEqual([
      'a.default.apps.example',
      'a.default.localhost',
      'v2-a.default.apps.example',
      'v2-a.default.localhost',
    ]);
  });

  it('have the scheme and port that they are reached by', async () => {
    serving.door = { ...serving.door, httpPort: 8080 };
    await route();
    expect(await url()).toBe('http://a.default.localhost:8080');
    await network({ 'default-external-scheme': 'https' });
    await serving.routed('a');
    expect(await url()).toBe('https://a.default.localhost');
  });

  it('stay without TLS, and say why, when the gateway has no certificate for them', async () => {
    await network({ 'external-domain-tls': 'Enabled' });
    await route();
    const provisioned = () => serving.condition(KINDS.route, 'a', 'CertificateProvisioned');
    expect(await provisioned()).toEqual({
      status: 'True',
      reason: 'HTTPDowngrade',
      message: 'the gateway has no TLS listener; up --gateway-tls HOST:PORT opens one; plain HTTP goes on',
    });
    serving.door = { ...serving.door, httpsPort: 443 };
    await network({ 'external-domain-tls': 'Enabled', 'http-protocol': 'Redirected' });
    await serving.routed('a');
    expect(await provisioned()).toEqual({
      status: 'False',
      reason: 'CertificateMissing',
      message: 'Secret knative-serving/gateway-tls is not there',
    });
    expect(await url()).toBe('http://a.default.localhost');
  });
});
