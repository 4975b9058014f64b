import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onSignal } from '../src/telemetry/signals.ts';
import type { RevisionPlan } from '../src/serving/plan.ts';
import type { Launch } from '../src/serving/runtime/container-spec.ts';
import { openSmallPlatform } from '../test/kit/small-platform.ts';
import { answerRequests } from './child.ts';

/**
 * The hot path in a process of its own, composed from plain plans: the channel `durable`, whose one subscriber is
 * `subscriberUrl`, and for each service a channel of its name that leads to it. Times are since the epoch.
 */
type Plan = {
  readonly subscriberUrl: string;
  readonly services: Readonly<
    Record<
      string,
      { readonly directory: string; readonly launch: Launch; readonly plan?: Partial<RevisionPlan> }
    >
  >;
};

/** What a function of the benches prints as its first act: `first-line` and when that was. */
const FIRST_LINE = /first-line (\d+\.?\d*)/;

const plan = JSON.parse(process.argv[2] ?? '') as Plan; // as the benches write it
const names = Object.keys(plan.services);
/** The wake that is measured; a program prints no first line, and `firstLineMs` is then set beforehand. */
const wake = { firstLineMs: 0, answeredMs: 0, arrivedMs: 0, queuedMs: 0, startedMs: 0, readyMs: 0 };
let isWatching = false;
const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const ports = new Map<string, number>();
const platform = await openSmallPlatform({
  folder,
  services: plan.services,
  channels: {
    durable: [{ uid: 'sink', subscriberUri: plan.subscriberUrl }],
    ...Object.fromEntries(
      names.map((name) => [name, [{ uid: name, subscriberUri: `http://${name}.demo.svc.cluster.local/` }]]),
    ),
  },
  logs: { write: (_instance, _stream, chunk) => hearFirstLine(chunk.toString()) },
  observe: (event) => {
    if (event.kind === 'ready') ports.set(event.revision, event.instance.port);
  },
});
await platform.runtime.warmedUp();

function hearFirstLine(printed: string): void {
  const found = FIRST_LINE.exec(printed)?.[1];
  if (found === undefined) return;
  wake.firstLineMs = Number(found);
  tellWake();
}

/** Only where wakes are measured: a signal that nobody hears costs nothing. */
function watchWakes(): void {
  if (isWatching) return;
  isWatching = true;
  onSignal('serving.answered', ({ atMs, wake: phases }) => {
    if (phases !== undefined) Object.assign(wake, { arrivedMs: atMs, ...phases });
    wake.answeredMs = performance.timeOrigin + performance.now();
    tellWake();
  });
}

function tellWake(): void {
  if (wake.firstLineMs === 0 || wake.answeredMs === 0) return;
  process.send?.({ ...wake });
  Object.assign(wake, { firstLineMs: 0, answeredMs: 0 });
}

answerRequests(async ({ name, service, firstLine }) => {
  const revision = `demo/${service}-00001`;
  switch (name) {
    case 'portOf':
      return { port: ports.get(revision) ?? 0 };
    case 'toZero':
      await platform.serving.scaleToZero(revision);
      await platform.runtime.warmedUp();
      watchWakes();
      Object.assign(wake, { firstLineMs: firstLine === 1 ? 0 : 1, answeredMs: 0 });
      return {};
    default:
      throw new Error(`${name} is not known`);
  }
});
process.send?.({ port: Number(new URL(platform.eventsUrl).port) });
