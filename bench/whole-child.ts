import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { openPlatform } from '../test/kit/platform.ts';
import { answerRequests } from './child.ts';

/** The whole platform in a process of its own, on the folder that it is given; no runner is kept warm. */
const [, , folder = ''] = process.argv;
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // what the flag exposes
const platform = await openPlatform(folder, { warmBytes: 0 });
const session = new Session();
session.connect();

answerRequests(async ({ name, file }) => {
  switch (name) {
    case 'collect':
      collect();
      return {};
    case 'memory':
      return { ...process.memoryUsage() };
    case 'profile':
      await session.post('Profiler.enable');
      await session.post('Profiler.start');
      return {};
    case 'keep-profile': {
      const { profile } = await session.post('Profiler.stop');
      writeFileSync(String(file), JSON.stringify(profile));
      return {};
    }
    case 'close':
      await platform.close(0);
      return {};
    default:
      throw new Error(`${name} is not known`);
  }
});
process.send?.({ port: Number(new URL(platform.endpoints.gateway).port) });
