import { growingPauseMs } from '../../base/backoff.ts';
import { messageOf, PlatformError } from '../../base/errors.ts';
import type { WatchedCluster } from '../../control/watched-cluster.ts';
import type { RunningSource, SourceAdapter, SourceState, SourceTools } from '../source.ts';
import { BookmarkWriter } from './bookmark-writer.ts';
import { ClusterWatch, failingState } from './cluster-watch.ts';
import type { KubernetesPlan } from './plan.ts';
import { readProgress, writeProgress, type Progress } from './progress.ts';

export const kubernetesAdapter: SourceAdapter<KubernetesPlan> = {
  open(plan, tools) {
    const source = new KubernetesSource(plan, tools);
    source.start();
    return source;
  },
};

const PAUSE = { firstMs: 500, maxMs: 30_000 };

/** A cluster tells when an object was made by whole seconds. */
const wholeSecond = (ms: number): number => ms - (ms % 1000);

/** Opens the cluster of a plan and watches it, again and again until it is closed; what was told stands in the bookmark. */
class KubernetesSource implements RunningSource {
  readonly #plan: KubernetesPlan;
  readonly #tools: SourceTools;
  readonly #stop = new AbortController();
  #progress: Progress | undefined;
  #state: SourceState = { kind: 'starting' };
  /** Why what was taken cannot be noted. */
  #trouble: string | undefined;
  #watch: ClusterWatch | undefined;
  #running: Promise<void> | undefined;

  constructor(plan: KubernetesPlan, tools: SourceTools) {
    this.#plan = plan;
    this.#tools = tools;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random, bookmark } = this.#tools;
    const { signal } = this.#stop;
    const writer = new BookmarkWriter({
      bookmark,
      clock,
      text: () => this.#text(),
      onTrouble: (message) => {
        this.#trouble = message;
        this.#tell(this.#state);
      },
    });
    this.#tell({ kind: 'starting' });
    for (let failures = 0; !signal.aborted; failures += 1) {
      try {
        await this.#round(writer, () => (failures = 0));
      } catch (error) {
        if (signal.aborted) break;
        const code = error instanceof PlatformError ? error.code : 'INTERNAL';
        this.#tell(failingState(this.#plan, code, messageOf(error)));
      }
      const pauseMs = growingPauseMs(failures, PAUSE, random);
      await clock.until(clock.nowMs() + pauseMs, signal);
    }
    await writer.close();
  }

  async #round(writer: BookmarkWriter, onRunning: () => void): Promise<void> {
    const cluster = await this.#tools.clusterAt(this.#plan.access);
    try {
      const progress = await this.#progressIn(cluster);
      this.#progress = progress;
      const { lanes: positions, sinceMs } = progress;
      const onMoved = (): void => writer.touch();
      const options = {
        plan: this.#plan,
        tools: { ...this.#tools, tell: (state: SourceState) => this.#tell(state) },
        cluster,
        positions,
        sinceMs,
        onMoved,
        onRunning,
      };
      this.#watch = new ClusterWatch(options);
      await this.#watch.run(this.#stop.signal);
    } finally {
      this.#keepPositions();
      await cluster.close();
    }
  }

  /** That of the last life, if it was in the same cluster. The embedded one may have another port each time. */
  async #progressIn({ url }: WatchedCluster): Promise<Progress> {
    const cluster = this.#plan.access.kind === 'embedded' ? 'embedded' : url;
    const text = this.#progress === undefined ? await this.#tools.bookmark.read() : undefined;
    const known = this.#progress ?? (text === undefined ? undefined : readProgress(text));
    return known?.cluster === cluster
      ? known
      : { cluster, sinceMs: wholeSecond(this.#tools.clock.nowMs()), lanes: {} };
  }

  #keepPositions(): void {
    if (this.#watch === undefined || this.#progress === undefined) return;
    this.#progress = { ...this.#progress, lanes: this.#watch.positions() };
    this.#watch = undefined;
  }

  #tell(state: SourceState): void {
    this.#state = state;
    const message = `how far the source has come cannot be noted: ${this.#trouble}`;
    const isInTheWay = this.#trouble !== undefined && state.kind !== 'failing';
    this.#tools.tell(
      isInTheWay ? { kind: 'failing', condition: 'Deployed', reason: 'ProgressNotKept', message } : state,
    );
  }

  #text(): string {
    const { cluster = '', sinceMs = 0, lanes = {} } = this.#progress ?? {};
    return writeProgress({ cluster, sinceMs, lanes: this.#watch?.positions() ?? lanes });
  }
}
