import { describe, expect, it } from 'vitest';
import { deploymentName, instanceName } from '../../src/serving/instance-name.ts';

describe('the names of a revision’s Deployment and Pods', () => {
  it('begin with its own', () => {
    expect(deploymentName('shop-00001')).toBe('shop-00001-deployment');
    const name = instanceName('shop-00001', () => 0);
    expect(name).toMatch(/^shop-00001-deployment-[a-z0-9]{9}-bbbbb$/);
    expect(instanceName('shop-00001', () => 0.99)).toMatch(new RegExp(`^${name.slice(0, -5)}99999$`));
  });

  it('are no longer than Kubernetes allows, and still its own', () => {
    const [one, two] = ['1', '2'].map((n) => `${'a'.repeat(57)}-0000${n}`);
    expect(deploymentName(one ?? '')).toMatch(/^a{20}[0-9a-f]{32}-deployment$/);
    expect(deploymentName(one ?? '')).not.toBe(deploymentName(two ?? ''));
    expect(instanceName(one ?? '', () => 0)).toMatch(/^a{20}[0-9a-f]{32}-deplobbbbb$/);
    expect(instanceName(one ?? '', () => 0)).toHaveLength(63);
  });
});
