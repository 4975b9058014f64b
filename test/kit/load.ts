import { Agent, request } from 'undici';

/** What was answered while there was load: how often each text, and every answer that was none. */
export type Answers = { readonly texts: ReadonlyMap<string, number>; readonly failures: readonly string[] };

const COUNT_MAX = 50_000;

/** A few askers of one host, each with its next request as soon as the last is answered, until it is stopped. */
export class Load {
  readonly #texts = new Map<string, number>();
  readonly #failures: string[] = [];
  readonly #agent: Agent;
  readonly #askers: readonly Promise<void>[];
  #isOn = true;
  #count = 0;

  constructor(url: string, host: string, askers = 4) {
    this.#agent = new Agent({ connections: askers });
    this.#askers = Array.from({ length: askers }, () => this.#ask(url, host));
  }

  get count(): number {
    return this.#count;
  }

  /** How often a text has been answered since it was asked for last. */
  take(): Answers {
    const answers = { texts: new Map(this.#texts), failures: [...this.#failures] };
    this.#texts.clear();
    return answers;
  }

  async stop(): Promise<Answers> {
    this.#isOn = false;
    await Promise.all(this.#askers);
    await this.#agent.close();
    return this.take();
  }

  async #ask(url: string, host: string): Promise<void> {
    while (this.#isOn && this.#count < COUNT_MAX) {
      this.#count += 1;
      try {
        const { statusCode, body } = await request(url, { headers: { host }, dispatcher: this.#agent });
        const text = await body.text();
        if (statusCode === 200) this.#texts.set(text, (this.#texts.get(text) ?? 0) + 1);
        else this.#failures.push(`${statusCode} ${text}`);
      } catch (error) {
        this.#failures.push(String(error));
      }
    }
  }
}
