import { describe, expect, it } from 'vitest';
import { ChannelNames } from '../../../src/channels/kafka/names.ts';

const CHANNEL = { uid: 'uid-1', namespace: 'demo', name: 'orders', externalName: undefined };

describe('names in Kafka', () => {
  it('of topic and consumer group are by the templates of upstream', () => {
    const names = new ChannelNames(CHANNEL);
    expect(names.topic).toBe('knative-messaging-kafka.demo.orders');
    expect(new ChannelNames({ ...CHANNEL, ownName: 'by.template' }).topic).toBe('by.template');
    expect(names.of('sub-1', undefined).brokerName).toBe('kafka.demo.orders.sub-1');
    expect(names.groupOf('kafka.demo.orders.sub-1')).toBe('sub-1');
    expect(names.groupOf('kafka.demo.orders')).toBeUndefined();
    expect(names.groupOf('kafka.demo.orders.eu.sub-1')).toBeUndefined(); // of channel orders.eu
  });

  it('of helper topics begin with the topic, and agree between platforms where the group is named', () => {
    const [here, there] = ['uid-1', 'uid-2'].map(
      (uid) => new ChannelNames({ ...CHANNEL, uid, externalName: 'orders' }),
    );
    const ours = here?.of('sub-1', 'billing');
    const theirs = there?.of('sub-2', 'billing');
    expect(ours && here?.helper(ours, 'retry')).toBe('orders.shared.billing.retry');
    expect(theirs && there?.helper(theirs, 'retry')).toBe('orders.shared.billing.retry');
  });

  it('of two platforms beside one external topic are apart, so that neither removes what is the other’s', () => {
    const [here, there] = ['uid-1', 'uid-2'].map(
      (uid) => new ChannelNames({ ...CHANNEL, uid, externalName: 'orders' }),
    );
    const theirs = there?.of('sub-2', undefined) ?? { token: '' };
    expect(here?.isOwn(theirs.token)).toBe(false);
    expect(there?.isOwn(theirs.token)).toBe(true);
    const topics = [
      `orders.${theirs.token}.dead`,
      'orders.shared.billing.dead',
      'orders.eu',
      'orders.eu.dead.letters',
    ];
    expect(here?.helpersAmong(topics).map(({ topic }) => topic)).toEqual(['orders.shared.billing.dead']);
  });

  it('stay within what Kafka takes, whatever a group is called', () => {
    const names = new ChannelNames(CHANNEL);
    const token = (name: string): string => names.helper(names.of('s', name), 'stages');
    expect(token('ein Name/mit Ümlaut')).toMatch(
      /^knative-messaging-kafka\.demo\.orders\.shared\.[0-9a-f]{16}\.stages$/,
    );
    expect(token('x'.repeat(255)).length).toBeLessThanOrEqual(249);
    expect(token('x'.repeat(255))).not.toBe(token('y'.repeat(255)));
    const tooLong = { ...CHANNEL, name: 'x'.repeat(250) };
    expect(() => new ChannelNames(tooLong)).toThrow(
      expect.objectContaining({ code: 'CHANNEL_SPEC_INVALID' }),
    );
  });
});
