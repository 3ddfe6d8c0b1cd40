/** An HTTP server that answers as the test has it at the moment, and keeps what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { TestContext } from 'node:test';
import { listen } from '../harness.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

const answerOk: Answer = (response) => {
  response.end('ok');
};

export class ScriptedUpstream {
  /** How requests are answered. */
  answer: Answer = answerOk;
  /** How checks of `/live` are. */
  live: Answer = answerOk;
  readonly #server: Server;
  #asked: Asked[] = [];
  #checks: Asked[] = [];
  port = 0;

  constructor() {
    this.#server = createServer((request, response) => this.#serve(request, response));
    this.#server.keepAliveTimeout = 60_000;
  }

  async start(test: TestContext): Promise<this> {
    this.port = await listen(test, this.#server);
    return this;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
      const path = request.url ?? '';
      const asked = { method: request.method ?? '', path, headers, body: Buffer.concat(chunks).toString() };
      if (path === '/live') {
        this.#checks.push(asked);
        this.live(response, asked);
      } else {
        this.#asked.push(asked);
        this.answer(response, asked);
      }
    });
  }

  /** What was asked since the last time, checks aside. */
  take(): readonly Asked[] {
    const taken = this.#asked;
    this.#asked = [];
    return taken;
  }

  get askedCount(): number {
    return this.#asked.length;
  }

  get checkCount(): number {
    return this.#checks.length;
  }

  get lastCheck(): Asked | undefined {
    return this.#checks.at(-1);
  }

  /** Answers as at the start, and forgets what was asked. */
  reset(): void {
    this.answer = answerOk;
    this.live = answerOk;
    this.#asked = [];
  }
}

/** Answers with a status, and perhaps headers. */
export function status(code: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (response) => {
    response.writeHead(code, headers).end();
  };
}

/** Answers with these in turn; the last one holds. */
export function inTurn(...answers: readonly Answer[]): Answer {
  let count = 0;
  return (response, asked) => answers[Math.min(count++, answers.length - 1)]?.(response, asked);
}

/** Never answers. */
export const hang: Answer = () => undefined;
