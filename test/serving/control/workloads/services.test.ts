import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../../../../src/apis/core/endpoints.ts';
import { POD } from '../../../../src/apis/core/pod.ts';
import { CORE_SERVICE } from '../../../../src/apis/core/service.ts';
import { openServer } from '../../../../src/http/server.ts';
import { workloadWorlds } from '../../../kit/workload-world.ts';

const open = workloadWorlds();

describe('a Service', () => {
  it('answers under its names inside, by one of its Pods that are ready', async () => {
    const of = open();
    await of.service();
    await of.deployment({ replicas: 2 });
    await of.rolledOut(2);
    for (const host of [
      'web.default',
      'web.default.svc',
      'web.default.svc.cluster.local',
      'web.default.svc.cluster.local:80',
    ])
      expect(await of.ask(host)).toMatchObject({ code: 200 });
    await Promise.all(Array.from({ length: 40 }, () => of.ask('web.default')));
    expect(of.runtime.started.every((instance) => instance.most() > 0)).toBe(true);
    const ports = of.runtime.started.map(({ port }) => port).toSorted((a, b) => a - b);
    const { subsets } = (await of.world.get(ENDPOINTS, 'web')) as {
      subsets?: { ports: { port: number }[] }[];
    };
    expect(
      subsets?.flatMap((subset) => subset.ports.map(({ port }) => port)).toSorted((a, b) => a - b),
    ).toEqual(ports);
  });

  it('refuses at once, with the reason, while it has no Pod', async () => {
    const of = open();
    await of.service();
    await expect
      .poll(() => of.ask('web.default'))
      .toEqual({
        code: 503,
        text: expect.stringContaining(
          'Service default/web (port 80) has no Pod that is ready: no Pod has the labels app=web',
        ),
      });
    await of.service({ selector: { app: 'other' } });
    await expect
      .poll(async () => (await of.ask('web.default')).text)
      .toContain('no Pod has the labels app=other');
    expect((await of.ask('web.default:81')).text).toContain('it has no such port, but 80');
  });

  it('loses no request while its Pods are exchanged, and waits for one that is starting', async () => {
    const of = open();
    await of.service();
    await of.deployment({ replicas: 1 });
    await of.rolledOut(1);
    const answers: number[] = [];
    let isOver = false;
    const load = (async () => {
      while (!isOver) answers.push((await of.ask('web.default')).code);
    })();
    for (const arg of ['a', 'b', 'c']) {
      await of.deployment({ replicas: 1 }, { args: [arg] });
      await of.rolledOut(1);
    }
    isOver = true;
    await load;
    expect(new Set(answers)).toEqual(new Set([200]));
    const release = of.runtime.hold();
    const [pod = ''] = await of.podNames();
    await of.world.admin.remove(POD, 'default', pod);
    await expect.poll(() => of.podNames()).not.toContain(pod);
    await expect.poll(() => of.podNames()).toHaveLength(1);
    const held = of.ask('web.default');
    release();
    expect(await held).toMatchObject({ code: 200 });
  });

  it('leads by a port of this machine, and by another name', async () => {
    const of = open();
    const elsewhere = await openServer({
      name: 'elsewhere',
      host: '127.0.0.1',
      port: 0,
      onRequest: (incoming, response) => response.end(`far ${incoming.headers.host}`),
    });
    await of.service({ type: 'NodePort' });
    await of.world.apply({
      ...CORE_SERVICE,
      metadata: { name: 'alias', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' },
    });
    await of.world.apply({
      ...CORE_SERVICE,
      metadata: { name: 'far', namespace: 'default' },
      spec: { type: 'ExternalName', externalName: '127.0.0.1', ports: [{ port: elsewhere.port }] },
    });
    await of.deployment();
    await of.rolledOut(1);
    const nodePort = async () =>
      ((await of.world.get(CORE_SERVICE, 'web'))['spec'] as { ports: { nodePort?: number }[] }).ports[0]
        ?.nodePort ?? 0;
    await expect.poll(nodePort).toBeGreaterThanOrEqual(30_000);
    const port = await nodePort();
    await expect
      .poll(() =>
        request(`http://127.0.0.1:${port}/n`).then(
          ({ body }) => body.text(),
          () => '',
        ),
      )
      .toBe(`127.0.0.1:${port} /n`);
    await expect.poll(() => of.ask('alias.default')).toMatchObject({ code: 200 });
    await expect.poll(() => of.ask('far.default')).toEqual({ code: 200, text: 'far far.default' });
    await elsewhere.close(0);
  });
});
