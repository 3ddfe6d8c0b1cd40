/** Steady traffic at a workload, with what became of each request. */
import { Agent } from 'node:http';
import type { TestContext } from 'node:test';
import { type Answer, ask, until, type Workload } from './harness.ts';

export interface Traffic {
  /** Resolves when so many more answers have come. */
  further(count: number): Promise<true>;
  /** Stops it and gives the answers that were not 200. */
  failures(): Promise<readonly Answer[]>;
}

/** Three clients that ask `url` one after another, until they are stopped. */
export function startTraffic(t: TestContext, url: string): Traffic {
  const agent = new Agent({ keepAlive: true });
  t.after(() => agent.destroy());
  const answers: Answer[] = [];
  let running = true;
  const lanes = Array.from({ length: 3 }, async () => {
    while (running) {
      answers.push(await ask(url, { agent }));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  return {
    further(count: number) {
      const goal = answers.length + count;
      return until(`${count} more answers`, () => (answers.length >= goal ? true : undefined));
    },
    async failures() {
      running = false;
      await Promise.all(lanes);
      return answers.filter(({ status }) => status !== 200);
    },
  };
}

/** Resolves once a workload has answered 200. */
export function firstAnswer({ port, process }: Workload): Promise<boolean> {
  const isThere = async () => {
    const answer = await ask(`http://127.0.0.1:${port}/`).catch(() => undefined);
    return answer?.status === 200 ? true : undefined;
  };
  return until('a first answer', isThere, 30_000, process.text);
}
