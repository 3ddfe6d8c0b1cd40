/** Processes that make load, or are applications, on a processor of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { pinned } from '../plane/cpus.ts';
import type { Answer, OperationName, Operations, Order } from './operations.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));

interface Waiting {
  resolve(gives: object): void;
  reject(error: Error): void;
}

export class LoadProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ended: Promise<void>;
  #lastId = 0;

  constructor(cpu: number) {
    const env = { ...process.env };
    delete env.NODE_TEST_CONTEXT;
    const [command, args] = pinned(cpu, process.execPath, ['--disable-warning=ExperimentalWarning', WORKER]);
    this.#child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env });
    this.#child.on('message', (answer: Answer) => this.#onAnswer(answer));
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        const error = new Error(`the load process ended with ${code}`);
        for (const { reject } of this.#waiting.values()) reject(error);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  #onAnswer(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    if ('gives' in answer) waiting?.resolve(answer.gives);
    else waiting?.reject(new Error(answer.failed));
  }

  /** Rejects with a sentence where it did not come to its end. */
  run<K extends OperationName>(name: K, takes: Operations[K]['takes']): Promise<Operations[K]['gives']> {
    const id = ++this.#lastId;
    const order: Order = { id, name, takes };
    return new Promise((resolve, reject) => {
      if (!this.#child.connected) {
        reject(new Error('the load process has ended'));
        return;
      }
      this.#waiting.set(id, { resolve, reject });
      this.#child.send(order);
    });
  }

  async close(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
