import { describe, expect, it } from 'vitest';
import { deployedContainers } from '../../../src/serving/control/deployed-containers.ts';

const IMAGES = [{ name: 'a', imageDigest: 'a@sha256:1' }];
const portOf = (containerPort: number): object => ({ name: 'user-port', containerPort, protocol: 'TCP' });

describe('the containers of a revision, deployed', () => {
  it('have the port of the one that answers, 8080 where its manifest leaves it open or says 0', () => {
    const ports = (given: readonly { readonly name?: string; readonly containerPort?: number }[]): unknown =>
      deployedContainers([{ name: 'a', image: 'a', ports: given }], IMAGES)[0];
    const a = { name: 'a', image: 'a@sha256:1' };
    expect(ports([])).toEqual({ ...a, ports: [portOf(8080)] });
    expect(ports([{ name: 'h2c', containerPort: 0 }])).toEqual({ ...a, ports: [portOf(8080)] });
    expect(ports([{ name: 'http1', containerPort: 81 }])).toEqual({ ...a, ports: [portOf(81)] });
  });

  it('of several, only the one with ports has any; and there is a queue-proxy beside them', () => {
    const [a, b, proxy] = deployedContainers(
      [
        { name: 'a', image: 'a' },
        { name: 'b', image: 'b', ports: [{ containerPort: 0 }] },
      ],
      IMAGES,
    );
    expect(a).toEqual({ name: 'a', image: 'a@sha256:1' });
    expect(b).toEqual({ name: 'b', image: 'b', ports: [portOf(8080)] });
    expect(proxy).toMatchObject({ name: 'queue-proxy' });
  });
});
