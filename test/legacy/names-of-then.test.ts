import { beforeAll, describe, expect, it } from 'vitest';
import { BUS_CHANNEL } from '../../src/apis/legacy/channels/channel.ts';
import { destinationNamed, referenceNow } from '../../src/legacy/names-of-then.ts';
import { anObject, aService } from '../kit/legacy-objects.ts';
import { CHANNEL } from '../kit/messaging-objects.ts';
import { namespace } from '../kit/objects.ts';
import { World } from '../kit/world.ts';

const SERVICE = { apiVersion: 'serving.knative.dev/v1', kind: 'Service' };
const ROUTE = { apiVersion: 'serving.knative.dev/v1', kind: 'Route' };
const CORE = { apiVersion: 'v1', kind: 'Service' };

describe('a DNS name of 2018', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
    await world.apply(namespace('shop'));
    await world.apply(anObject(BUS_CHANNEL, 'aloha', { clusterBus: 'stub' }));
    await world.apply(aService('fn'));
    await world.apply(aService('till', 'shop'));
    await world.apply(anObject(ROUTE, 'by-route', { traffic: [{ revisionName: 'r', percent: 100 }] }));
    await world.apply(anObject(CORE, 'plain', { ports: [{ port: 80 }] }));
  });
  const ref = (kind: object, name: string, space = 'default'): object => ({
    ref: { ...kind, name, namespace: space },
  });

  it.each<[string, string, object]>([
    ['a service of the same namespace', 'fn', ref(SERVICE, 'fn')],
    ['one of another', 'till.shop.svc.cluster.local', ref(SERVICE, 'till', 'shop')],
    ['the same, shorter', 'till.shop', ref(SERVICE, 'till', 'shop')],
    ['a service by the domain of then', 'fn.default.example.com', ref(SERVICE, 'fn')],
    ['a service by any domain, if it is there', 'till.shop.functions.acme.io', ref(SERVICE, 'till', 'shop')],
    ['a service that is to come', 'git-webhook.default.example.com', ref(SERVICE, 'git-webhook')],
    ['the same by its short name', 'git-webhook', ref(SERVICE, 'git-webhook')],
    ['a Route without a Service', 'by-route.default.svc.cluster.local', ref(ROUTE, 'by-route')],
    ['a Service of Kubernetes', 'plain', ref(CORE, 'plain')],
    ['a channel by its Service', 'aloha-channel.default.svc.cluster.local', ref(CHANNEL, 'aloha')],
    ['the same by its short name', 'aloha-channel', ref(CHANNEL, 'aloha')],
    ['a channel by its host', 'aloha.default.channels.cluster.local', ref(CHANNEL, 'aloha')],
    ['no channel where there is none', 'news-channel', ref(SERVICE, 'news-channel')],
    ['somebody outside', 'hooks.acme.io', { uri: 'http://hooks.acme.io/' }],
    ['somebody outside, with two labels', 'acme.io', { uri: 'http://acme.io/' }],
    ['a URL as it is', 'https://acme.io/in?x=1', { uri: 'https://acme.io/in?x=1' }],
  ])('means %s: %s', async (_, name, expected) => {
    expect(await destinationNamed(world.controller, name, 'default')).toEqual(expected);
  });
});

describe('a reference of 2018', () => {
  it.each([
    [
      { apiVersion: 'serving.knative.dev/v1alpha1', kind: 'Route', name: 'fn' },
      { ...ROUTE, name: 'fn' },
    ],
    [
      { apiVersion: 'eventing.knative.dev/v1alpha1', kind: 'Channel', name: 'a' },
      { ...CHANNEL, name: 'a' },
    ],
    [
      { apiVersion: 'channels.knative.dev/v1alpha1', kind: 'Channel', name: 'a' },
      { ...CHANNEL, name: 'a' },
    ],
    [
      { apiVersion: 'v1', kind: 'Service', name: 's' },
      { ...CORE, name: 's' },
    ],
    [
      { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: 'b', namespace: 'n' },
      { apiVersion: 'eventing.knative.dev/v1', kind: 'Broker', name: 'b', namespace: 'n' },
    ],
  ])('%j is %j today', (then, now) => {
    expect(referenceNow(then)).toEqual(now);
  });
});
