import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as layers from './layers.ts';
import { COMPUTED, importsOf, type Import } from './read-imports.ts';

const SOURCE = join(import.meta.dirname, '../../src');

/** A claim about every import in src/, and code that would break it: [file, code]. */
type Rule = {
  readonly claim: string;
  readonly isBrokenBy: (made: Import) => boolean;
  readonly planted: readonly (readonly [string, string])[];
};

const rules: readonly Rule[] = [
  {
    claim: 'imports follow the layer table',
    isBrokenBy: ({ file, target, isOwn }) =>
      isOwn && roomOf(file) !== roomOf(target) && !mayImport(file, target),
    planted: [
      ['base/clock.ts', `export * from '../events/event.ts'`],
      ['apis/kind.ts', `type Event = import('../events/event.ts').CloudEvent`],
      ['sources/github/receiver.ts', `import type { Channel } from '../../channels/channel.ts'`],
      ['dispatcher/dispatcher.ts', `await import('../channels/log/log-channel.ts')`],
      ['cli/up.ts', `new Worker(new URL('../channels/log/worker.ts', import.meta.url))`],
      ['serving/gateway/gateway.ts', `import { planDelivery } from '../../subscriptions/delivery-plan.ts'`],
    ],
  },
  {
    claim: 'channel adapters and sources never import one another',
    isBrokenBy: ({ file, target, isOwn }) => {
      const [from, to] = [adapterOf(file), adapterOf(target)];
      return isOwn && from !== undefined && to !== undefined && from !== to;
    },
    planted: [
      ['channels/log/log-channel.ts', `import { x } from '../memory/memory-channel.ts'`],
      ['sources/github/receiver.ts', `import { x } from '../ping/ping.ts'`],
    ],
  },
  {
    claim: 'the data plane imports no reconciler',
    isBrokenBy: ({ file, target, isOwn }) =>
      isOwn && inControl(target) && !inControl(file) && roomOf(file) !== 'platform',
    planted: [['serving/gateway/gateway.ts', `import '../control/route-reconciler.ts'`]],
  },
  {
    claim: 'control never touches an event, data never writes a resource',
    isBrokenBy: ({ file, names }) => {
      const forbidden = inControl(file) ? layers.NEVER_IN_CONTROL : layers.NEVER_IN_DATA;
      return layers.STAGES.includes(roomOf(file)) && names.some((name) => forbidden.includes(name));
    },
    planted: [
      ['channels/control/channel-reconciler.ts', `import { type Consumer as C } from '../channel.ts'`],
      ['dispatcher/dispatcher.ts', `import type { ResourceClient } from '../control/resource-client.ts'`],
    ],
  },
  {
    claim: 'every vendor SDK is imported in its home only',
    isBrokenBy: ({ file, target, isOwn }) => {
      const sdk = Object.keys(layers.SDK_HOME).find(
        (name) => target === name || target.startsWith(`${name}/`),
      );
      return !isOwn && sdk !== undefined && layers.SDK_HOME[sdk]?.test(file) === false;
    },
    planted: [
      ['sources/kubernetes/watch.ts', `await import('@kubernetes/client-node')`],
      ['channels/log/log-channel.ts', `const { Kafka } = require('kafkajs')`],
      ['events/binary.ts', 'await import(`cloudevents`)'],
      ['platform/main.ts', `import { DatabaseSync } from 'node:sqlite'`],
    ],
  },
  {
    claim: 'the platform loads nothing that only the function runner needs',
    isBrokenBy: ({ file, target, by }) =>
      !layers.RUNNER.test(file) &&
      (layers.RUNNER_ONLY.includes(target) || (layers.RUNNER.test(target) && by === 'import')),
    planted: [
      ['platform/main.ts', `import { SdkEvent } from '../events/sdk.ts'`],
      ['serving/runtime/process/warm-pool.ts', `import './runner/main.ts'`],
    ],
  },
  {
    claim: 'only the runner, which loads what users wrote, computes the name of a module',
    isBrokenBy: ({ file, target }) => target === COMPUTED && !layers.RUNNER.test(file),
    planted: [['platform/adapters.ts', 'await import(`../channels/${kind}/adapter.ts`)']],
  },
];

function everyImport(): Import[] {
  return readdirSync(SOURCE, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => importsOf(file, readFileSync(join(SOURCE, file), 'utf8')));
}

function mayImport(file: string, target: string): boolean {
  const keys = Object.keys(layers.MAY_IMPORT).filter((key) => file.startsWith(key));
  const longest = keys.toSorted((a, b) => b.length - a.length)[0];
  const allowed = longest === undefined ? [] : (layers.MAY_IMPORT[longest] ?? []);
  return allowed.some((prefix) => target.startsWith(prefix));
}

const roomOf = (path: string): string => path.split('/')[0] ?? '';
const inControl = (path: string): boolean => /^[^/]+\/control\//.test(path);

/** The adapter folder a file lies in, unless it is shared by all adapters of its stage. */
function adapterOf(path: string): string | undefined {
  const found = /^(channels|sources)\/([^/]+)\//.exec(path)?.[2];
  return found === undefined || ['control', 'ingress', 'outbox', 'door'].includes(found) ? undefined : found;
}

describe.each(rules)('$claim', ({ isBrokenBy, planted }) => {
  it('holds for every file', () => {
    expect(everyImport().filter(isBrokenBy)).toEqual([]);
  });

  it.each(planted)('and would notice, in %s: %s', (file, code) => {
    expect(importsOf(file, code).filter(isBrokenBy)).toHaveLength(1);
  });
});

it('the runner may be started by its URL', () => {
  const code = `fork(new URL('./runner/main.ts', import.meta.url))`;
  const made = importsOf('serving/runtime/process/warm-pool.ts', code);
  expect(made).toMatchObject([{ target: 'serving/runtime/process/runner/main.ts', by: 'url' }]);
  expect(made.filter((each) => rules.some(({ isBrokenBy }) => isBrokenBy(each)))).toEqual([]);
});

it('every folder of src/ says what it receives and hands on', () => {
  const rooms = readdirSync(SOURCE, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of rooms) {
    const readme = readFileSync(join(SOURCE, name, 'README.md'), 'utf8');
    expect(readme, `src/${name}/README.md`).toMatch(/^## Receives$[^]*^## Hands on$/m);
  }
});
