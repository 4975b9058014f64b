import { openSmallPlatform } from '../kit/small-platform.ts';

/** A platform in a process of its own, to be killed: `node platform-child.ts FOLDER PORT SUBSCRIBER-URL`. */
const [folder = '', port = '0', subscriberUri = ''] = process.argv.slice(2);
const delivery = { retry: 1000, backoffPolicy: 'linear', backoffDelay: 'PT0.05S', timeout: 'PT5S' } as const;
const platform = await openSmallPlatform({
  folder,
  port: Number(port),
  warm: 0,
  channels: { orders: [{ uid: 'audit', subscriberUri, delivery }] },
});
process.stdout.write(`ready ${platform.eventsUrl}\n`);
