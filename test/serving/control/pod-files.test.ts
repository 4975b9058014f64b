import { beforeAll, describe, expect, it } from 'vitest';
import type { RevisionSpec } from '../../../src/apis/serving/types.ts';
import { containerSpec } from '../../../src/serving/control/container-plan.ts';
import { placementOf, podFilesOf } from '../../../src/serving/control/pod-files.ts';
import { preparePod, type PreparedPod } from '../../../src/serving/control/prepare-pod.ts';
import type { Launch } from '../../../src/serving/runtime/container-spec.ts';
import { openLocalRuntime, runIn, serving } from '../../kit/local-runtime.ts';
import { Namespaces } from '../../../src/serving/runtime/process/isolation/namespaces.ts';
import { temporaryFolder } from '../../kit/folders.ts';
import { World } from '../../kit/world.ts';

const MACHINE = {
  hosts: '127.0.0.1\tlocalhost\n',
  resolvConf: 'nameserver 10.0.0.1\nsearch home.example\noptions ndots:1 rotate\n',
};
const filesOf = (spec: RevisionSpec): Record<string, string> =>
  Object.fromEntries(
    podFilesOf(spec, () => MACHINE).volumes.flatMap((volume) =>
      volume.kind === 'files' ? volume.files.map(({ path, content }) => [path, content.toString()]) : [],
    ),
  );

describe('the files that a Pod asks for', () => {
  it('are none when it asks for none, and the machine is not looked at', () => {
    const looked = podFilesOf({ dnsPolicy: 'ClusterFirst' }, () => {
      throw new Error('looked');
    });
    expect(looked).toEqual({ volumes: [], mounts: [] });
  });

  it('name its hostAliases after the hosts of the machine', () => {
    const hostAliases = [{ ip: '10.1.2.3', hostnames: ['db', 'db.example'] }, { ip: '10.1.2.4' }];
    expect(filesOf({ hostAliases })).toEqual({
      hosts:
        '127.0.0.1\tlocalhost\n\n# Entries added by HostAliases.\n10.1.2.3\tdb\tdb.example\n10.1.2.4\t\n',
    });
  });

  it.each<[string, RevisionSpec, string]>([
    [
      'beside those of the machine',
      {
        dnsConfig: {
          nameservers: ['10.0.0.2', '10.0.0.1'],
          searches: ['svc.cluster.local'],
          options: [{ name: 'ndots', value: '5' }, { name: 'edns0' }],
        },
      },
      'nameserver 10.0.0.1\nnameserver 10.0.0.2\nsearch home.example svc.cluster.local\noptions rotate ndots:5 edns0\n',
    ],
    [
      'and those alone, when its policy is None',
      { dnsPolicy: 'None', dnsConfig: { nameservers: ['10.0.0.2'] } },
      'nameserver 10.0.0.2\n',
    ],
  ])('name its name servers %s', (_, spec, text) => {
    expect(filesOf(spec)).toEqual({ 'resolv.conf': text });
  });
});

describe('what places a Pod', () => {
  it('is told, since one machine runs all; what any process has is not', () => {
    const honoured = { schedulerName: 'default-scheduler', nodeSelector: {}, topologySpreadConstraints: [] };
    expect(placementOf(honoured)).toEqual([]);
    const asked = {
      nodeSelector: { disk: 'ssd' },
      affinity: {},
      topologySpreadConstraints: [{}],
      schedulerName: 'mine',
      priorityClassName: 'high',
      runtimeClassName: 'gvisor',
    };
    expect(placementOf(asked)).toEqual(Object.keys(asked).map((field) => `spec.${field}`));
  });
});

describe('a prepared Pod', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  const hostAliases = [{ ip: '127.9.9.9', hostnames: ['db.millrace.test'] }];
  const prepare = async (launch: Launch): Promise<PreparedPod> => {
    const prepared = await preparePod(
      {
        metadata: { name: 'r', namespace: 'default' },
        spec: { hostAliases, nodeSelector: { disk: 'ssd' }, containers: [{ image: 'x' }] },
      },
      { reader: world.controller, bundleOf: () => ({ directory: '/', launch }), imageOf: () => 'x@sha256:0' },
    );
    if (prepared.kind === 'problem') throw new Error(prepared.message);
    return prepared;
  };
  const specOf = ({ containers }: PreparedPod) =>
    containers.map((each) =>
      containerSpec(each, {
        isServing: true,
        servingPort: { number: 8080, name: 'http' },
        podSecurity: undefined,
      }),
    );
  const { way } = new Namespaces(temporaryFolder('mounts'));
  const { start } = openLocalRuntime();

  it.skipIf(way.kind === 'none')('finds its hostAliases by name, and nobody else does', async () => {
    const prepared = await prepare({ kind: 'program', command: ['x'] });
    const [container] = specOf(prepared);
    const instance = await start([serving({ mounts: container?.mounts ?? [] })], {
      volumes: prepared.volumes,
    });
    expect(await runIn(instance, 'getent hosts db.millrace.test')).toMatch(/^127\.9\.9\.9\s/);
    await instance.stop(0);
    const other = await start([serving()]);
    expect(await runIn(other, 'getent hosts db.millrace.test')).toMatch(/^exit 2/);
    await other.stop(0);
  });

  it('says what it asks for and is not given; a container of an engine has its own files', async () => {
    const program = specOf(await prepare({ kind: 'program', command: ['x'] }));
    expect(program).toMatchObject([{ unhonoured: ['spec.nodeSelector'], mounts: [{ path: '/etc/hosts' }] }]);
    const container = specOf(await prepare({ kind: 'container', command: undefined, args: undefined }));
    expect(container).toMatchObject([
      { unhonoured: ['spec.nodeSelector', 'the hosts that its Pod asks for'], mounts: [] },
    ]);
  });
});
