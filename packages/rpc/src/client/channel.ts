/** Clients: typed calls, and streams of encoded messages, over connections that are made when they are needed. */
import type { OutgoingHttpHeaders } from 'node:http2';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { AnyMethod, ServiceDefinition } from '@weft/contracts/rpc';
import { MessageQueue } from '../queue.ts';
import { streamOver } from '../stream.ts';
import type { CallOptions, Channel, Client, ConnectOptions, RawStream } from '../types.ts';
import { type CallEvents, type RunningCall, startCall, wasRefused } from './call.ts';
import { SessionPool } from './pool.ts';

const UNARY_TIMEOUT_MS = 10_000;
/** How often a call that no server began is made anew. */
const REFUSED_RETRIES = 2;

/** The error of a call that was given up by its signal. */
function abandoned(path: string, reason: unknown, timeoutMs: number | undefined): WeftError {
  const isTimeout = reason instanceof DOMException && reason.name === 'TimeoutError';
  if (reason instanceof WeftError) return reason;
  if (isTimeout && timeoutMs !== undefined) {
    return new WeftError('DEADLINE_EXCEEDED', `${path} was not answered within ${timeoutMs} ms`, { cause: reason });
  }
  return new WeftError('CANCELLED', `${path} was cancelled`, { cause: reason });
}

/** Resolves as `work` does, or rejects with the signal's reason as soon as it aborts. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Calls `abort` when the signal aborts; gives what stops that. */
function onAbort(signal: AbortSignal | undefined, abort: () => void): () => void {
  if (!signal) return () => undefined;
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  return () => signal.removeEventListener('abort', abort);
}

class GrpcChannel implements Channel {
  readonly #pool: SessionPool;
  readonly #headers: OutgoingHttpHeaders;

  constructor(options: ConnectOptions) {
    this.#pool = new SessionPool(options);
    this.#headers = {
      'content-type': 'application/grpc',
      te: 'trailers',
      'user-agent': 'weft',
      'grpc-accept-encoding': 'identity',
      ...(options.bearerToken !== undefined && { authorization: `Bearer ${options.bearerToken}` }),
    };
  }

  client<S extends ServiceDefinition>(definition: S): Client<S> {
    const calls = Object.entries(definition).map(([name, method]) => {
      const call =
        method.kind === 'unary'
          ? (request: unknown, options?: CallOptions) => this.#unary(method, request, options ?? {})
          : (request: unknown, options?: CallOptions) => this.#serverStream(method, request, options ?? {});
      return [name, call];
    });
    return Object.fromEntries(calls);
  }

  raw(path: string, options: { readonly signal?: AbortSignal } = {}): RawStream {
    const { signal } = options;
    const waiting: ((call: RunningCall) => void)[] = [];
    let running: RunningCall | undefined;
    const withCall = (use: (call: RunningCall) => void): void => {
      if (running) use(running);
      else waiting.push(use);
    };
    const near = streamOver({
      write: (message, done) => withCall((call) => call.write(message, done)),
      finish: (error) => {
        if (error === undefined) withCall((call) => call.halfClose());
        else cancel(toWeftError(error));
      },
      pause: () => withCall((call) => call.pause()),
      resume: () => withCall((call) => call.resume()),
    });
    const over = new AbortController();
    const cancel = (error: WeftError): void => {
      over.abort(error);
      running?.cancel(error);
      near.close(error);
    };
    const release = onAbort(signal, () => cancel(abandoned(path, signal?.reason, undefined)));
    near.stream.signal.addEventListener('abort', release, { once: true });
    const events: CallEvents = {
      message: (message) => near.deliver(message),
      end: (error) => near.close(error),
    };
    this.#start(path, {}, events, over.signal).then(
      (call) => {
        running = call;
        for (const use of waiting.splice(0)) use(call);
      },
      (thrown: unknown) => near.close(toWeftError(thrown)),
    );
    return near.stream;
  }

  close(): void {
    this.#pool.close();
  }

  /** Begins a call as soon as there is a connection. */
  async #start(
    path: string,
    headers: OutgoingHttpHeaders,
    events: CallEvents,
    signal: AbortSignal | undefined,
  ): Promise<RunningCall> {
    for (let attempt = 0; ; attempt += 1) {
      const session = await unlessAborted(this.#pool.session(), signal);
      try {
        return startCall(session, { path, headers: { ...this.#headers, ...headers } }, events);
      } catch (thrown) {
        if (attempt >= REFUSED_RETRIES || !wasRefused(thrown)) throw thrown;
      }
    }
  }

  async #unary(
    method: AnyMethod,
    request: unknown,
    { signal, timeoutMs = UNARY_TIMEOUT_MS }: CallOptions,
  ): Promise<unknown> {
    const message = method.request.encode(request);
    const deadlineAt = performance.now() + timeoutMs;
    const timeout = AbortSignal.timeout(timeoutMs);
    const either = signal ? AbortSignal.any([signal, timeout]) : timeout;
    for (let attempt = 0; ; attempt += 1) {
      try {
        const leftMs = Math.max(1, Math.ceil(deadlineAt - performance.now()));
        const responses = await this.#exchange(method.path, message, { 'grpc-timeout': `${leftMs}m` }, either);
        const [response] = responses;
        if (response && responses.length === 1) return method.response.decode(response);
        throw new WeftError('INTERNAL', `${method.path} was answered with ${responses.length} messages`, {
          source: 'upstream',
        });
      } catch (thrown) {
        if (either.aborted) throw abandoned(method.path, either.reason, timeoutMs);
        if (attempt >= REFUSED_RETRIES || !wasRefused(thrown)) throw toWeftError(thrown);
      }
    }
  }

  /** Sends one message and gives all that are answered; rejects with the status of the call. */
  #exchange(
    path: string,
    message: Buffer,
    headers: OutgoingHttpHeaders,
    signal: AbortSignal,
  ): Promise<readonly Buffer[]> {
    return new Promise((resolve, reject) => {
      const responses: Buffer[] = [];
      let release = (): void => undefined;
      const events: CallEvents = {
        message: (response) => responses.push(response),
        end: (error) => {
          release();
          if (error) reject(error);
          else resolve(responses);
        },
      };
      this.#start(path, headers, events, signal).then((call) => {
        release = onAbort(signal, () => call.cancel(abandoned(path, signal.reason, undefined)));
        call.write(message, () => undefined);
        call.halfClose();
      }, reject);
    });
  }

  async *#serverStream(
    method: AnyMethod,
    request: unknown,
    { signal, timeoutMs }: CallOptions,
  ): AsyncGenerator<unknown> {
    const { path } = method;
    const message = method.request.encode(request);
    const timeout = timeoutMs === undefined ? [] : [AbortSignal.timeout(timeoutMs)];
    const over = new AbortController();
    const either = AbortSignal.any([over.signal, ...(signal ? [signal] : []), ...timeout]);
    let call: RunningCall | undefined;
    let isHeld = false;
    const queue = new MessageQueue(() => {
      if (!isHeld || !queue.hasRoom) return;
      isHeld = false;
      call?.resume();
    });
    const events: CallEvents = {
      message: (response) => {
        queue.push(response);
        if (queue.hasRoom || isHeld) return;
        isHeld = true;
        call?.pause();
      },
      end: (error) => queue.end(error),
    };
    let release = (): void => undefined;
    try {
      const headers = timeoutMs === undefined ? {} : { 'grpc-timeout': `${Math.ceil(timeoutMs)}m` };
      const started = await this.#start(path, headers, events, either);
      call = started;
      release = onAbort(either, () => started.cancel(abandoned(path, either.reason, timeoutMs)));
      started.write(message, () => undefined);
      started.halfClose();
      for await (const response of queue) yield method.response.decode(response);
    } catch (thrown) {
      throw either.aborted ? abandoned(path, either.reason, timeoutMs) : toWeftError(thrown);
    } finally {
      release();
      call?.cancel(new WeftError('CANCELLED', `${path} was left by its caller`));
    }
  }
}

/** Gives a channel at once; the first call connects. Throws `WeftError` INVALID_ARGUMENT for an address that is none. */
export function connect(options: ConnectOptions): Channel {
  return new GrpcChannel(options);
}
