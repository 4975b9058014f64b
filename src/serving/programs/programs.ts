import type { Clock } from '../../base/clock.ts';
import { instanceSuffix } from '../instance-name.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { Program, type ProgramPlan, type Standing } from './program.ts';

export type ProgramsOptions = {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly random?: () => number;
};

/** All programs that stand by themselves, each by its plan. */
export class Programs {
  readonly #options: ProgramsOptions;
  readonly #programs = new Map<string, Program>();
  #onChange: (key: string) => void = () => undefined;

  constructor(options: ProgramsOptions) {
    this.#options = options;
  }

  /** Who is told that something about a program is other than before; there is one. */
  follow(onChange: (key: string) => void): void {
    this.#onChange = onChange;
  }

  set(plan: ProgramPlan): void {
    const known = this.#programs.get(plan.key);
    if (known !== undefined) known.plan = plan;
    else this.#programs.set(plan.key, new Program(plan, this.#tools()));
  }

  standingOf(key: string): readonly Standing[] {
    return this.#programs.get(key)?.standing ?? [];
  }

  replace(key: string, id: string): void {
    this.#programs.get(key)?.replace(id);
  }

  /** Resolves when none of its instances is left. */
  async remove(key: string): Promise<void> {
    const program = this.#programs.get(key);
    this.#programs.delete(key);
    await program?.close();
  }

  async close(graceMaxMs: number): Promise<void> {
    await Promise.all([...this.#programs.values()].map((program) => program.close(graceMaxMs)));
  }

  #tools(): ConstructorParameters<typeof Program>[1] {
    const { runtime, clock, random = Math.random } = this.#options;
    return {
      runtime,
      clock,
      nameInstance: ({ instance, generation }) =>
        `${instance.revision}-${generation}-${instanceSuffix(random)}`,
      onChange: (key) => this.#onChange(key),
    };
  }
}
