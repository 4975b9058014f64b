import { expect } from 'vitest';
import type { CloudEvent } from '../../src/events/event.ts';
import { gitHubAdapter } from '../../src/sources/github/life/adapter.ts';
import type { WebhookPlan } from '../../src/sources/github/life/plan.ts';
import type { RunningSource, SourceState, SourceTools } from '../../src/sources/source.ts';
import { MemoryBookmark } from '../contracts/source.ts';
import { FakeClock } from './fake-clock.ts';
import { GitHubStandIn, TOKEN, type StandInHook } from './github-api.ts';

export const TARGET = 'octo-org/octo-repo';
export const WEBHOOK_URL = 'https://hooks.example.com/webhooks/demo/repository';
export const SECRET_TEXT = 'the secret of the webhook';
const WAIT = { timeout: 25_000, interval: 5 };

/** A GitHub, and one webhook's life at it on a clock that a test moves; nothing is brought unless a test says so. */
export class GitHubLife {
  readonly gitHub: GitHubStandIn;
  readonly clock = new FakeClock();
  readonly bookmark = new MemoryBookmark();
  readonly states: SourceState[] = [];
  readonly warnings: string[] = [];
  readonly delivered: CloudEvent[] = [];
  readonly adapter = gitHubAdapter();
  take: SourceTools['deliver'] = async () => 'taken';
  plan: WebhookPlan;
  /** Until when it rests. */
  dueMs = 0;
  #running: RunningSource | undefined;

  private constructor(gitHub: GitHubStandIn) {
    this.gitHub = gitHub;
    gitHub.nowMs = () => this.clock.nowMs();
    this.plan = {
      target: TARGET,
      apiUrl: gitHub.url,
      token: TOKEN,
      secret: SECRET_TEXT,
      url: WEBHOOK_URL,
      eventTypes: ['pull_request', 'push'],
    };
  }

  static async open(...targets: readonly string[]): Promise<GitHubLife> {
    return new GitHubLife(await GitHubStandIn.open(TARGET, 'octo-org', ...targets));
  }

  get tools(): SourceTools {
    return {
      clock: {
        nowMs: () => this.clock.nowMs(),
        until: (dueMs, signal) => this.clock.until((this.dueMs = dueMs), signal),
      },
      random: () => 0.5,
      bookmark: this.bookmark,
      reader: undefined as never, // it reads no object
      clusterAt: undefined as never, // and no cluster
      tell: (state) => void this.states.push(state),
      warn: (reason, message) => void this.warnings.push(`${reason}: ${message}`),
      deliver: async (event, signal, how) => {
        const outcome = await this.take(event, signal, how);
        this.delivered.push(event);
        return outcome;
      },
    };
  }

  get ids(): (string | undefined)[] {
    return this.delivered.map(({ attributes }) => attributes.get('id'));
  }

  get hooks(): StandInHook[] {
    return this.gitHub.hooksOf(this.plan.target);
  }

  get hook(): StandInHook {
    const [hook] = this.hooks;
    if (hook === undefined) throw new Error('there is no webhook');
    return hook;
  }

  /** Starts it, with another plan than before when something of it is given, and waits until it rests. */
  async start(change: Partial<WebhookPlan> = {}): Promise<SourceState | undefined> {
    this.plan = { ...this.plan, ...change };
    await this.#running?.close();
    this.#running = this.adapter.open(this.plan, this.tools);
    return this.rests();
  }

  async stop(): Promise<void> {
    await this.#running?.close();
  }

  /** It waits for its next look, or for GitHub. */
  async rests(): Promise<SourceState | undefined> {
    await expect.poll(() => this.clock.sleepers, WAIT).toBe(1);
    return this.states.at(-1);
  }

  /** Moves the clock, and waits until what it has woken rests again. */
  async after(ms: number): Promise<SourceState | undefined> {
    const asked = this.gitHub.asked.length;
    this.clock.advance(ms);
    await expect.poll(() => this.gitHub.asked.length, WAIT).toBeGreaterThan(asked);
    return this.rests();
  }

  async close(): Promise<void> {
    await this.stop();
    await this.gitHub.close();
  }
}

export const MINUTE = 60_000;
export const LOOK = 11 * MINUTE; // longer than from one look to the next
