import { createRequire } from 'node:module';
import { openPlatform } from '../kit/platform.ts';

/** Starts a platform on the folder that is named, and prints which packages it has loaded by the time it is ready. */
const platform = await openPlatform(process.argv[2] ?? '');
const files = Object.keys(createRequire(import.meta.url).cache);
const packages = files.map((file) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file)?.[1]);
process.stdout.write(`${JSON.stringify([...new Set(packages.filter((name) => name !== undefined))])}\n`);
await platform.close(0);
