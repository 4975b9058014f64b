import type { Instance } from '../../src/serving/runtime/runtime.ts';
import { askOf } from './local-runtime.ts';

/** Serves the pages of the tools image, until it is told to crash with 3. */
export const SERVE = 'httpd -p $PORT -h /www; while ! test -e /tmp/crash; do sleep 0.05; done; exit 3';

/** What a line of shell prints in a container that serves so. */
export const runIn = (instance: Instance, line: string): Promise<string> =>
  askOf(instance, `/cgi-bin/run?${encodeURIComponent(line)}`);
