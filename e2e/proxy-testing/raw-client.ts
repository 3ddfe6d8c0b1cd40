/** A client that sends bytes as they are, and tells what came back. */
import { createConnection, type Socket } from 'node:net';
import { readMessage, type WireMessage } from './wire.ts';

export interface Received {
  /** Whole answers, informational ones among them. */
  readonly answers: readonly WireMessage[];
  /** What came and is not a whole answer. */
  readonly rest: string;
  /** Whether the far side ended the connection, and how; `open`: it still stood when nothing more was to be waited for. */
  readonly end: 'open' | 'closed' | 'reset';
}

export interface SendOptions {
  /** Ends waiting when so many final answers came; default: waits for the end of the connection. */
  readonly answers?: number;
  /** How long the connection may take to end after those answers; default 0: that is not waited for. */
  readonly settleMs?: number;
  /** Of each request, in order; default GET. */
  readonly methods?: readonly string[];
  /** More requests, each sent when the one before has its answer. */
  readonly then?: readonly string[];
  /** Bytes written one after the other, each once the one before is on its way. */
  readonly parts?: readonly string[];
  /** Ends the sending direction after the last bytes. */
  readonly halfClose?: boolean;
  readonly timeoutMs?: number;
  /** Whether no answer within the time is an outcome, too. */
  readonly mayBeSilent?: boolean;
}

function isFinal({ start }: WireMessage): boolean {
  const status = Number(start.split(' ')[1]);
  return status >= 200 || status === 101;
}

/** The first answer that is not informational. */
export function properAnswer({ answers }: Received): WireMessage | undefined {
  return answers.find(({ start }) => !/ 1\d\d /.test(start));
}

class Answers {
  readonly list: WireMessage[] = [];
  readonly #methods: readonly string[];
  #text = '';
  #finals = 0;

  constructor(methods: readonly string[]) {
    this.#methods = methods;
  }

  get finals(): number {
    return this.#finals;
  }

  get rest(): string {
    return this.#text;
  }

  add(text: string, isEnded: boolean): void {
    this.#text += text;
    while (this.#text !== '') {
      const reading = { isResponse: true, method: this.#methods[this.#finals] ?? 'GET' };
      const read = readMessage(this.#text, reading, isEnded);
      if (!read) return;
      this.#text = this.#text.slice(read.end);
      this.list.push(read.message);
      if (isFinal(read.message)) this.#finals++;
    }
  }
}

/** Sends, and gives what came until the answers were there, or the connection ended. Rejects after 10 s. */
export function send(port: number, text: string, options: SendOptions = {}): Promise<Received> {
  const { answers: wanted = Number.POSITIVE_INFINITY, parts = [], methods = [], timeoutMs = 10_000 } = options;
  const { settleMs = 0, then = [] } = options;
  return new Promise((resolve, reject) => {
    const answers = new Answers(methods);
    const socket: Socket = createConnection({ host: '127.0.0.1', port, allowHalfOpen: true });
    let timer = setTimeout(() => {
      if (options.mayBeSilent) {
        done('open');
        return;
      }
      reject(new Error(`no end of ${JSON.stringify(text.slice(0, 200))}: ${JSON.stringify(answers)}`));
      socket.destroy();
    }, timeoutMs);
    const done = (end: Received['end']) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers: answers.list, rest: answers.rest, end });
    };
    socket.setNoDelay();
    socket.on('connect', () => void writeAll(socket, [text, ...parts], options.halfClose ?? false));
    socket.on('data', (chunk: Buffer) => {
      const before = answers.finals;
      answers.add(chunk.toString('latin1'), false);
      const next = answers.finals > before ? then[answers.finals - 1] : undefined;
      if (next !== undefined) socket.write(next, 'latin1');
      if (answers.finals < wanted) return;
      clearTimeout(timer);
      timer = setTimeout(() => done('open'), settleMs);
    });
    socket.on('end', () => {
      answers.add('', true);
      done('closed');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') done('reset');
      else reject(error);
    });
  });
}

async function writeAll(socket: Socket, parts: readonly string[], halfClose: boolean): Promise<void> {
  for (const part of parts) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) => {
      socket.write(part, 'latin1', () => setImmediate(resolve));
    });
  }
  if (halfClose && !socket.destroyed) socket.end();
}
