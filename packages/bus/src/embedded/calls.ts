/** Calls inside one process: every message is encoded and decoded all the same. */
import type { CallContract } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';
import {
  type CallOptions,
  calledOff,
  DEFAULT_TIMEOUT_MS,
  nobodyServes,
  notAnswered,
  notInTime,
  stopping,
} from '../call-errors.ts';
import { checkSize, closedError } from '../checks.ts';
import { onAbort, timeLimit } from '../wakeup.ts';
import { LIMIT_BYTES } from './limit.ts';

/** Takes and gives encoded messages. */
type RawHandler = (request: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>;

/** How long the end of the bus waits for handlers that run. */
const FINISH_MS = 1_000;

/** The promise's outcome, or the reason of `over` when that aborts first. */
function unless<T>(over: AbortSignal, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    onAbort(over, () => reject(over.reason));
    promise.then(resolve, reject);
  });
}

export class Calls {
  readonly #servers = new Map<string, RawHandler[]>();
  /** Told when a server has come. */
  readonly #arrivals = new Set<() => void>();
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();

  async call<Request, Response>(
    contract: CallContract<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    if (this.#closing.signal.aborted) throw closedError();
    if (signal?.aborted) throw calledOff(contract.name);
    const bytes = contract.request.encode(request);
    checkSize(`the call ${contract.name}`, bytes.length, LIMIT_BYTES, 'the embedded bus');
    const over = new AbortController();
    let isAsked = false;
    const ask = async (): Promise<Uint8Array> => {
      const handler = await this.#server(contract.name, over.signal);
      isAsked = true;
      return this.#run(handler, bytes, timeoutMs);
    };
    const timer = setTimeout(() => {
      over.abort((isAsked ? notInTime : nobodyServes)(contract.name, timeoutMs));
    }, timeoutMs);
    const forget = [
      onAbort(this.#closing.signal, () => over.abort(closedError())),
      ...(signal ? [onAbort(signal, () => over.abort(calledOff(contract.name)))] : []),
    ];
    try {
      const answer = await unless(over.signal, ask());
      return contract.response.decode(answer);
    } finally {
      clearTimeout(timer);
      for (const off of forget) off();
      over.abort();
    }
  }

  async #server(name: string, over: AbortSignal): Promise<RawHandler> {
    let handler = this.#pick(name);
    while (!handler) {
      await this.#arrival(over);
      if (over.aborted) throw over.reason;
      handler = this.#pick(name);
    }
    return handler;
  }

  async #run(handler: RawHandler, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    // The handler's time is the caller's, as it is when the two are apart; it does not end when the caller loses interest.
    const limit = timeLimit(timeoutMs, this.#closing.signal);
    const running = handler(request, limit.signal);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      limit.end();
      this.#running.delete(running);
    }
  }

  /** Servers take turns. */
  #pick(name: string): RawHandler | undefined {
    const servers = this.#servers.get(name);
    const first = servers?.shift();
    if (first) servers?.push(first);
    return first;
  }

  #arrival(over: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#arrivals.delete(done);
        resolve();
      };
      this.#arrivals.add(done);
      onAbort(over, done);
    });
  }

  serve<Request, Response>(
    contract: CallContract<Request, Response>,
    handler: (request: Request, signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
  ): void {
    if (this.#closing.signal.aborted) throw closedError();
    if (signal.aborted) return;
    const raw: RawHandler = async (bytes, callSignal) => {
      // On a turn of its own, as a message from elsewhere would come.
      await new Promise((resolve) => setImmediate(resolve));
      try {
        const response = contract.response.encode(await handler(contract.request.decode(bytes), callSignal));
        checkSize(`the answer to the call ${contract.name}`, response.length, LIMIT_BYTES, 'the embedded bus');
        return response;
      } catch (thrown) {
        const error = this.#closing.signal.aborted ? stopping(contract.name) : toWeftError(thrown);
        throw notAnswered(error.code, error.message, error.retryable);
      }
    };
    this.#servers.set(contract.name, [...(this.#servers.get(contract.name) ?? []), raw]);
    onAbort(signal, () => this.#remove(contract.name, raw));
    for (const arrived of [...this.#arrivals]) arrived();
  }

  #remove(name: string, raw: RawHandler): void {
    const left = (this.#servers.get(name) ?? []).filter((server) => server !== raw);
    if (left.length > 0) this.#servers.set(name, left);
    else this.#servers.delete(name);
  }

  /** Takes no more calls, lets those that run end for a moment, then ends them. */
  async close(): Promise<void> {
    this.#servers.clear();
    const running = Promise.allSettled(this.#running);
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([running, new Promise((resolve) => (timer = setTimeout(resolve, FINISH_MS)))]);
    clearTimeout(timer);
    this.#closing.abort(closedError());
  }
}
