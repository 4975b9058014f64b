import { describe, expect, it } from 'vitest';
import { horizontalPodAutoscalerKind } from '../../../src/apis/autoscaling/horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts';
import type { Resource } from '../../../src/apis/resource.ts';

const v1 = horizontalPodAutoscalerKind.forms?.['v1'];
const metric = (name: string, target: object) => ({ type: 'Resource', resource: { name, target } });
const target = (averageUtilization: number) => ({ type: 'Utilization', averageUtilization });
const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
const stored = {
  apiVersion: 'autoscaling/v2',
  kind: 'HorizontalPodAutoscaler',
  metadata: { name: 'x' },
  spec: {
    scaleTargetRef,
    maxReplicas: 3,
    metrics: [metric('cpu', target(70)), metric('memory', { type: 'AverageValue', averageValue: '1Mi' })],
  },
  status: {
    currentReplicas: 2,
    currentMetrics: [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 55 } } }],
    conditions: [],
  },
} as Resource;

describe('a HorizontalPodAutoscaler in v1', () => {
  it('shows its CPU, and what there is', () => {
    expect(v1?.fromStored(stored)).toMatchObject({
      spec: { scaleTargetRef, maxReplicas: 3, targetCPUUtilizationPercentage: 70 },
      status: { currentReplicas: 2, currentCPUUtilizationPercentage: 55 },
    });
    expect(v1?.fromStored(stored)).not.toHaveProperty('spec.metrics');
  });

  it('changes its CPU alone', () => {
    const shown = { ...stored, spec: { scaleTargetRef, maxReplicas: 5, targetCPUUtilizationPercentage: 80 } };
    expect(v1?.toStored(shown, stored)).toMatchObject({
      spec: {
        maxReplicas: 5,
        metrics: [metric('cpu', target(80)), metric('memory', { type: 'AverageValue' })],
      },
      status: { currentReplicas: 2 },
    });
  });
});
