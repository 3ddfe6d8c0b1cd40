/** Steady traffic at the shop's door, with what became of each request. */
import { Agent, get } from 'node:http';

export interface Answer {
  readonly startedAt: number;
  readonly endedAt: number;
  /** 0 when there was no answer. */
  readonly status: number;
  readonly body: string;
}

export interface Traffic {
  readonly answers: readonly Answer[];
  /** Lets running requests end, then stops. */
  stop(): Promise<void>;
}

/** One request; never rejects. */
export function ask(url: string, agent: Agent): Promise<Answer> {
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const done = (status: number, body: string): void =>
      resolve({ startedAt, endedAt: performance.now(), status, body });
    const request = get(url, { agent, timeout: 15_000 }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () => done(response.statusCode ?? 0, body));
      response.on('error', (error) => done(0, error.message));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 15 s')));
    request.on('error', (error) => done(0, error.message));
  });
}

/** Sends requests to `url` one after another on each of `lanes` connections, `pauseMs` apart, until stopped. */
export function startTraffic(url: string, lanes: number, pauseMs: number): Traffic {
  const agent = new Agent({ keepAlive: true, maxSockets: lanes });
  const answers: Answer[] = [];
  let running = true;
  const lane = async (): Promise<void> => {
    while (running) {
      answers.push(await ask(url, agent));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  };
  const all = Promise.all(Array.from({ length: lanes }, lane));
  return {
    answers,
    async stop() {
      running = false;
      await all;
      agent.destroy();
    },
  };
}

/** The versions of a service in an answer of the shop, however deep in the calls. */
export function versionsIn(body: string, service: string): readonly string[] {
  const found: string[] = [];
  const visit = (answer: { service?: string; version?: string; called?: unknown[] }): void => {
    if (answer.service === service && answer.version) found.push(answer.version);
    for (const called of answer.called ?? []) visit(called as typeof answer);
  };
  try {
    visit(JSON.parse(body));
  } catch {
    return []; // not an answer of the shop
  }
  return found;
}
