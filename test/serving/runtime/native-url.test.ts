import { expect, it } from 'vitest';
import { nativeUrl } from '../../../src/serving/runtime/process/native-url.ts';

const ROUTES = [
  { suffix: '.svc.cluster.local', host: '127.0.0.1', port: 8081 },
  { suffix: '.localhost', host: '127.0.0.1', port: 8080, ports: [80, 8080] },
];

it.each([
  ['http://greeter.demo.svc.cluster.local', 'http://127.0.0.1:8081/services/demo/greeter/'],
  ['http://greeter.demo.svc.cluster.local/in?a=b', 'http://127.0.0.1:8081/services/demo/greeter/in?a=b'],
  ['http://greeter.demo.localhost:8080/in', 'http://127.0.0.1:8081/services/demo/greeter/in'],
  ['http://greeter.demo.localhost:9999/in', 'http://greeter.demo.localhost:9999/in'],
  ['https://greeter.demo.svc.cluster.local/', 'https://greeter.demo.svc.cluster.local/'],
  ['http://127.0.0.1:8081/channels/demo/orders', 'http://127.0.0.1:8081/channels/demo/orders'],
  ['http://sink.example/', 'http://sink.example/'],
  ['http://a.b.c.svc.cluster.local/', 'http://a.b.c.svc.cluster.local/'],
  ['no url', 'no url'],
])('a program is told %s as %s', (sink, expected) => {
  expect(nativeUrl(sink, ROUTES)).toBe(expected);
});

it('says nothing else where there are no names of ours', () => {
  expect(nativeUrl('http://greeter.demo.svc.cluster.local', [])).toBe(
    'http://greeter.demo.svc.cluster.local',
  );
});
