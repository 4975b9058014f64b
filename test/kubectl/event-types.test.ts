import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningPlatform } from '../../src/platform/options.ts';
import { kubectlFor, type TestApi } from '../kit/api-server.ts';
import { temporaryFolder } from '../kit/folders.ts';
import { openPlatform } from '../kit/platform.ts';

const CHANNEL = `
apiVersion: messaging.knative.dev/v1
kind: Channel
metadata: {name: orders}
`;
const FLAT = `
apiVersion: eventing.knative.dev/v1beta2
kind: EventType
metadata: {name: refunds}
spec:
  type: order.refunded
  source: /shop
  schema: https://schemas.example/refund
  description: money went back
  reference: {apiVersion: messaging.knative.dev/v1, kind: Channel, name: orders}
`;
const WAIT = { timeout: 10_000, interval: 100 };

const root = temporaryFolder('event-types');
let platform: RunningPlatform;
let kubectl: TestApi['kubectl'];
beforeAll(async () => {
  platform = await openPlatform(root);
  kubectl = kubectlFor(root, platform.kubeconfig);
  expect(await kubectl(['apply'], CHANNEL)).toMatchObject({ code: 0 });
  expect(await kubectl(['wait', '--for=condition=Ready', 'channel/orders'])).toMatchObject({ code: 0 });
});
afterAll(() => platform.close(0));

async function send(type: string): Promise<number> {
  const headers = { 'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/shop', 'ce-type': type };
  const url = `${platform.endpoints.events}/channels/default/orders`;
  return (await fetch(url, { method: 'POST', headers })).status;
}
const lines = async (...args: readonly string[]): Promise<string[][]> => {
  const { stdout } = await kubectl(['get', ...args, '--no-headers']);
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split(/\s{2,}/));
};

describe('kubectl', () => {
  it('get eventtypes tells what one can subscribe to, once it has arrived', async () => {
    expect(await send('order.paid')).toBe(202);
    const row = async (): Promise<string[]> => (await lines('eventtypes'))[0]?.slice(1) ?? [];
    await expect
      .poll(row, WAIT)
      .toEqual(['order.paid', '/shop', 'orders', 'Channel', 'Event Type auto-created by controller', 'True']);
    const { stdout } = await kubectl(['get', 'eventtypes']);
    expect(stdout).toMatch(/^NAME +TYPE +SOURCE +REFERENCE NAME +REFERENCE KIND +DESCRIPTION +READY +REASON/);
  });

  it('reads and writes the older versions in their own form', async () => {
    expect(await kubectl(['apply'], FLAT)).toMatchObject({ code: 0, stderr: '' });
    const flat = await kubectl(['get', 'eventtypes.v1beta2.eventing.knative.dev', 'refunds', '-o', 'json']);
    expect(JSON.parse(flat.stdout)).toMatchObject({
      apiVersion: 'eventing.knative.dev/v1beta2',
      spec: { type: 'order.refunded', source: '/shop', schema: 'https://schemas.example/refund' },
    });
    const { stdout } = await kubectl(['get', 'eventtypes.v1beta2.eventing.knative.dev', 'refunds']);
    expect(stdout).toMatch(/^NAME +TYPE +SOURCE +SCHEMA +REFERENCE NAME/);
    const newest = await kubectl([
      'get',
      'eventtype',
      'refunds',
      '-o',
      'jsonpath={.spec.attributes[*].name}',
    ]);
    expect(newest.stdout).toBe('type schemadata source specversion id');
    const labelled = await kubectl(['label', 'eventtype', 'refunds', 'team=shop']);
    expect(labelled).toMatchObject({ code: 0 });
    expect(await kubectl(['apply'], FLAT)).toMatchObject({ code: 0, stderr: '' });
    const changed = await kubectl(['apply'], FLAT.replace('money went back', 'another'));
    expect(changed.code).toBe(1);
    expect(changed.stderr).toContain('Immutable fields changed (-old +new): spec');
    const untyped = await kubectl(
      ['create'],
      FLAT.replace('  type: order.refunded\n', '').replace('refunds', 'r2'),
    );
    expect(untyped.stderr).toContain('missing field(s): spec.type');
    const strict = await kubectl(
      ['create'],
      FLAT.replace('type: order', 'typ: order').replace('refunds', 'r3'),
    );
    expect(strict.stderr).toContain('unknown field "spec.typ"');
  });

  it('is warned of v1beta1, explains each version, and the types go with their channel', async () => {
    const old = FLAT.replace('v1beta2', 'v1beta1').replace('refunds', 'old');
    const created = await kubectl(['create'], old);
    expect(created.code).toBe(0);
    expect(created.stderr).toContain('Warning: eventing.knative.dev/v1beta1 EventType is deprecated');
    const explained = await kubectl([
      'explain',
      'eventtype.spec',
      '--api-version=eventing.knative.dev/v1beta2',
    ]);
    expect(explained.stdout).toContain('schemaData');
    expect((await kubectl(['explain', 'eventtype.spec.attributes'])).stdout).toContain('required');
    expect(await kubectl(['delete', 'channels', 'orders'])).toMatchObject({ code: 0 });
    const left = async (): Promise<(string | undefined)[]> =>
      (await lines('eventtypes', '-o', 'wide')).map((row) => row[0]);
    await expect.poll(left, WAIT).toEqual(['old', 'refunds']);
    const ready = async (): Promise<string | undefined> => (await lines('eventtype', 'refunds'))[0]?.at(-1);
    await expect.poll(ready, WAIT).toBe('ResourceDoesNotExist');
  });

  it('turns it off in config-features', async () => {
    const off = '{"data":{"eventtype-auto-create":"Disabled"}}';
    await kubectl([
      'patch',
      'configmap',
      'config-features',
      '-n',
      'knative-eventing',
      '--type=merge',
      '-p',
      off,
    ]);
    await kubectl(['delete', 'eventtypes', '--all']);
    await kubectl(['apply'], CHANNEL);
    await kubectl(['wait', '--for=condition=Ready', 'channel/orders']);
    expect(await send('order.paid')).toBe(202);
    const on = '{"data":{"eventtype-auto-create":"enabled"}}';
    const types = async (): Promise<(string | undefined)[]> =>
      (await lines('eventtypes')).map((row) => row[1]);
    await kubectl([
      'patch',
      'configmap',
      'config-features',
      '-n',
      'knative-eventing',
      '--type=merge',
      '-p',
      on,
    ]);
    expect(await send('order.sent')).toBe(202);
    await expect.poll(types, WAIT).toEqual(['order.sent']);
  });
});
