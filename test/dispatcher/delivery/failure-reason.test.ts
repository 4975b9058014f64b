import { describe, expect, it } from 'vitest';
import { failureReason } from '../../../src/dispatcher/delivery/failure-reason.ts';

const notFound = (hostname: string): Error =>
  Object.assign(new Error(`getaddrinfo ENOTFOUND ${hostname}`), { code: 'ENOTFOUND', hostname });

describe('why there was no answer', () => {
  it('is that a Service is not there or never was ready, of a name inside the cluster', () => {
    expect(failureReason(notFound('greeter.shop.svc.cluster.local'))).toBe(
      'no service answers as greeter in namespace shop: it is not there, or has not been ready yet (kubectl get ksvc,svc -n shop)',
    );
  });

  it('is that the name does not resolve, of any other', () => {
    expect(failureReason(notFound('greeter.example.com'))).toBe('the host name does not resolve');
  });
});
