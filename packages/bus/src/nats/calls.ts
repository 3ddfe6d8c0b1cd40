/**
 * Calls over NATS: a request on `weft.call.<name>`, answered by one member of the queue group `weft`. The request says
 * how long its caller waits; an answer with a code in its headers is an error.
 */

import { setTimeout as delay } from 'node:timers/promises';
import { headers, type Msg, type Subscription } from '@nats-io/transport-node';
import type { CallContract } from '@weft/contracts/bus';
import { STATUS_CODES, type StatusCode, toWeftError, WeftError } from '@weft/contracts/error';
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
import { RequestFailure } from './failure.ts';
import { headersOf } from './jetstream.ts';
import type { Link } from './link.ts';
import { pauseMs } from './retry.ts';

const QUEUE = 'weft';
export const CALL_HEADERS = {
  /** Of requests: how long the caller waits, in milliseconds. */
  timeout: 'Weft-Timeout-Ms',
  /** Of answers that are errors: the code by name, the message as encodeURIComponent writes it, and `true` or `false`. */
  code: 'Weft-Error-Code',
  message: 'Weft-Error-Message',
  retryable: 'Weft-Error-Retryable',
} as const;

/** Messages are cut, so that they fit in headers. */
const LONGEST_MESSAGE = 8_192;
const FLUSH_MS = 10_000;
/** With less time left a call that nobody served is not asked again: its answer could come too late to know of. */
const LEAST_ATTEMPT_MS = 25;
/** How long the end of the bus waits for handlers that run. */
const FINISH_MS = 1_000;

function isStatusCode(text: string): text is StatusCode {
  return Object.hasOwn(STATUS_CODES, text);
}

/** The error that an answer carries, if it is one. */
function errorOf(answer: Msg): WeftError | undefined {
  const code = answer.headers?.get(CALL_HEADERS.code);
  if (!code) return undefined;
  const text = answer.headers?.get(CALL_HEADERS.message) ?? '';
  const isRetryable = answer.headers?.get(CALL_HEADERS.retryable) === 'true';
  let message: string;
  try {
    message = decodeURIComponent(text);
  } catch {
    message = text;
  }
  return notAnswered(isStatusCode(code) ? code : 'UNKNOWN', message, isRetryable);
}

export class Calls {
  readonly #link: Link;
  readonly #running = new Set<Promise<void>>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #stopping = new AbortController();

  constructor(link: Link) {
    this.#link = link;
  }

  async call<Request, Response>(
    contract: CallContract<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const { timeoutMs = DEFAULT_TIMEOUT_MS, signal } = options;
    const { name } = contract;
    const data = contract.request.encode(request);
    checkSize(`the call ${name}`, data.length, this.#link.maxPayloadBytes - 64, 'the NATS server');
    const until = performance.now() + timeoutMs;
    for (let attempt = 1; ; attempt++) {
      const leftMs = until - performance.now();
      if (signal?.aborted) throw calledOff(name);
      if (leftMs < (attempt === 1 ? 1 : LEAST_ATTEMPT_MS)) throw nobodyServes(name, timeoutMs);
      const fields = headersOf({ [CALL_HEADERS.timeout]: String(Math.ceil(leftMs)) });
      try {
        await this.#connected(name, Math.ceil(leftMs), signal);
        const asked = { timeoutMs: Math.ceil(leftMs), headers: fields, signal };
        const answer = await this.#link.request(`weft.call.${name}`, data, asked);
        const error = errorOf(answer);
        if (error) throw error;
        return contract.response.decode(answer.data);
      } catch (thrown) {
        if (!(thrown instanceof RequestFailure)) throw thrown;
        if (thrown.kind !== 'no-responders') throw this.#error(thrown, name, timeoutMs);
      }
      // The one that serves it may be starting again.
      await delay(Math.min(pauseMs(attempt), Math.max(1, until - performance.now())));
    }
  }

  /** Waits for a connection; without one nothing was asked of anybody. */
  async #connected(name: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#link.whenConnected(timeoutMs, signal);
    } catch (thrown) {
      if (!(thrown instanceof RequestFailure) || thrown.kind !== 'lost') throw thrown;
      throw new WeftError('UNAVAILABLE', `the call ${name} was not made: ${thrown.message}`, { cause: thrown });
    }
  }

  #error(failure: RequestFailure, name: string, timeoutMs: number): WeftError {
    switch (failure.kind) {
      case 'aborted':
        return calledOff(name);
      case 'closed':
        return closedError();
      case 'denied':
        return new WeftError('PERMISSION_DENIED', `the call ${name}: ${failure.message}`, { cause: failure });
      case 'no-responders':
        return nobodyServes(name, timeoutMs);
      case 'timeout':
        return this.#link.trouble() === undefined ? notInTime(name, timeoutMs) : this.#unreachable(name, failure);
      case 'lost':
        return this.#unreachable(name, failure);
    }
  }

  #unreachable(name: string, failure: RequestFailure): WeftError {
    const message = `the call ${name} may or may not have been carried out: ${failure.message}`;
    return new WeftError('UNAVAILABLE', message, { cause: failure, retryable: false });
  }

  async serve<Request, Response>(
    contract: CallContract<Request, Response>,
    handler: (request: Request, signal: AbortSignal) => Promise<Response>,
    signal: AbortSignal,
  ): Promise<void> {
    if (this.#link.closing.aborted || this.#stopping.signal.aborted) throw closedError();
    if (signal.aborted) return;
    const subscription = this.#link.connection.subscribe(`weft.call.${contract.name}`, {
      queue: QUEUE,
      callback: (error, message) => {
        if (error) return;
        const running = this.#answer(contract, handler, message).finally(() => this.#running.delete(running));
        this.#running.add(running);
      },
    });
    this.#subscriptions.add(subscription);
    onAbort(signal, () => this.#drain(subscription));
    await this.#link.flush(FLUSH_MS).catch((thrown: unknown) => {
      // Without a connection it is served as soon as there is one.
      if (!(thrown instanceof RequestFailure) || thrown.kind === 'closed') throw thrown;
    });
  }

  /** Takes no more calls; those that the server has sent already are answered. */
  #drain(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    if (!subscription.isClosed() && !this.#link.connection.isClosed()) {
      subscription.drain().catch(() => subscription.unsubscribe());
    }
  }

  async #answer<Request, Response>(
    contract: CallContract<Request, Response>,
    handler: (request: Request, signal: AbortSignal) => Promise<Response>,
    message: Msg,
  ): Promise<void> {
    const timeoutMs = Number(message.headers?.get(CALL_HEADERS.timeout)) || DEFAULT_TIMEOUT_MS;
    const limit = timeLimit(timeoutMs, this.#stopping.signal);
    try {
      const response = await this.#unlessStopping(
        contract.name,
        handler(contract.request.decode(message.data), limit.signal),
      );
      const data = contract.response.encode(response);
      checkSize(`the answer to the call ${contract.name}`, data.length, this.#link.maxPayloadBytes, 'the NATS server');
      this.#respond(message, data);
    } catch (thrown) {
      this.#respond(message, Buffer.alloc(0), toWeftError(thrown));
    } finally {
      limit.end();
    }
  }

  #unlessStopping<T>(name: string, promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const forget = onAbort(this.#stopping.signal, () => reject(stopping(name)));
      promise.then(resolve, reject).finally(forget);
    });
  }

  #respond(message: Msg, data: Uint8Array, error?: WeftError): void {
    const sent = headers();
    if (error) {
      sent.set(CALL_HEADERS.code, error.code);
      sent.set(CALL_HEADERS.message, encodeURIComponent(error.message.slice(0, LONGEST_MESSAGE).toWellFormed()));
      sent.set(CALL_HEADERS.retryable, String(error.retryable));
    }
    // Without a connection there is nobody to answer: the caller finds out by itself.
    if (!this.#link.connection.isClosed()) message.respond(data, error ? { headers: sent } : {});
  }

  /** Takes no more calls, lets those that run end for a moment, then ends them with an error. */
  async close(): Promise<void> {
    for (const subscription of this.#subscriptions) this.#drain(subscription);
    const over = new AbortController();
    const finished = Promise.all(this.#running).finally(() => over.abort());
    await Promise.race([finished, delay(FINISH_MS, undefined, { signal: over.signal }).catch(() => undefined)]);
    this.#stopping.abort();
    await Promise.all(this.#running);
    if (this.#link.trouble() === undefined) await this.#link.flush(FINISH_MS).catch(() => undefined);
  }
}
