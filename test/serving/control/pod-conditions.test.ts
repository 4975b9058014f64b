import { describe, expect, it } from 'vitest';
import { explained } from '../../../src/serving/control/pod-conditions.ts';

const containers = [
  { name: 'app', ready: true },
  { name: 'side', ready: false },
];
const initContainers = [
  { name: 'first', ready: true },
  { name: 'second', ready: false },
];
const told = (type: string, status: string, phase?: string): object | undefined =>
  explained([{ type, status }], { ...(phase !== undefined && { phase }), containers, initContainers })[0];

describe('a condition of a Pod', () => {
  it('names the containers that it waits for', () => {
    const unready = { reason: 'ContainersNotReady', message: 'containers with unready status: [side]' };
    expect(told('Ready', 'False', 'Running')).toMatchObject(unready);
    expect(told('ContainersReady', 'False', 'Pending')).toMatchObject(unready);
    expect(told('Initialized', 'False')).toMatchObject({
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [second]',
    });
  });

  it('says of one that is over that it is, and of one that is true nothing', () => {
    expect(told('Ready', 'False', 'Succeeded')).toEqual({
      type: 'Ready',
      status: 'False',
      reason: 'PodCompleted',
    });
    expect(told('Ready', 'False', 'Failed')).toMatchObject({ reason: 'PodFailed' });
    expect(told('Ready', 'True', 'Running')).toEqual({ type: 'Ready', status: 'True' });
  });
});
