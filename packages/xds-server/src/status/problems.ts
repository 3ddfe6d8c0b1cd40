/** Writes the problems of this instance to the bus. */
import type { Bus } from '@weft/bus';
import { type Problem, type Problems, states } from '@weft/contracts/bus';
import { OwnedEntry } from './entry.ts';

export interface ProblemBoardOptions {
  readonly bus: Bus;
  readonly instanceId: string;
  readonly now: () => number;
  readonly onTrouble: (key: string, error: unknown) => void;
}

export class ProblemBoard {
  readonly #instanceId: string;
  readonly #entry: OwnedEntry<Problems>;
  #picture = '[]';

  constructor({ bus, instanceId, now, onTrouble }: ProblemBoardOptions) {
    this.#instanceId = instanceId;
    this.#entry = new OwnedEntry({ state: bus.state(states.problems), key: instanceId, pauseMs: 1000, now, onTrouble });
  }

  /** The problems that stand now; gives those that are new. */
  show(problems: readonly Problem[]): readonly Problem[] {
    const picture = JSON.stringify(problems);
    if (picture === this.#picture) return [];
    const before = JSON.parse(this.#picture) as Problem[];
    this.#picture = picture;
    if (problems.length === 0) this.#entry.delete();
    else this.#entry.put({ xdsInstance: this.#instanceId, problems }, 'now');
    return problems.filter(({ message }) => !before.some((one) => one.message === message));
  }

  async end(): Promise<void> {
    this.#entry.delete();
    await this.#entry.end();
  }
}
