/** Runs handlers for the calls of grpc-js, and knows which calls run. */

import type { EventEmitter } from 'node:events';
import type { Metadata, ServerDuplexStream, ServerUnaryCall, ServerWritableStream, sendUnaryData } from '@grpc/grpc-js';
import { STATUS_CODES, WeftError } from '@weft/contracts/error';
import type { AnyMethod } from '@weft/contracts/rpc';
import { callerError, type OnFault, requestError, statusText } from '../status.ts';
import { streamOver } from '../stream.ts';
import type { CallContext, RawHandler } from '../types.ts';
import { type AccessOptions, admit } from './access.ts';

type TypedHandler = (request: unknown, call: CallContext) => unknown;

/** What grpc-js takes for an error. */
interface ServiceStatus {
  readonly name: string;
  readonly message: string;
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

export interface CallsOptions extends AccessOptions {
  readonly onFault: OnFault;
  readonly newMetadata: () => Metadata;
}

export class Calls {
  readonly #options: CallsOptions;
  readonly #running = new Set<(error: WeftError) => void>();

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Ends every call that runs with that error. */
  endAll(error: WeftError): void {
    for (const end of [...this.#running]) end(error);
  }

  unary(path: string, method: AnyMethod, handler: TypedHandler) {
    return (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>): void => {
      let isAnswered = false;
      const { signal, over } = this.#track(call, (error) => fail(error));
      const fail = (thrown: unknown): void => {
        if (isAnswered) return;
        isAnswered = true;
        callback(this.#status(thrown, path, signal));
        over();
      };
      const answer = async (): Promise<Buffer> => {
        const context = admit(call, path, signal, this.#options);
        return method.response.encode(await handler(decodeRequest(method, call.request, path), context));
      };
      answer().then((response) => {
        if (isAnswered) return;
        isAnswered = true;
        callback(null, response);
        over();
      }, fail);
    };
  }

  serverStream(path: string, method: AnyMethod, handler: TypedHandler) {
    return (call: ServerWritableStream<Buffer, Buffer>): void => {
      let isEnded = false;
      const { signal, over } = this.#track(call, (error) => end(error));
      const end = (thrown?: unknown): void => {
        if (isEnded) return;
        isEnded = true;
        if (thrown === undefined) call.end();
        else call.emit('error', this.#status(thrown, path, signal));
        over();
      };
      const run = async (): Promise<void> => {
        const context = admit(call, path, signal, this.#options);
        const responses = handler(decodeRequest(method, call.request, path), context) as AsyncIterable<unknown>;
        for await (const response of responses) {
          if (isEnded || signal.aborted) return;
          if (!call.write(method.response.encode(response))) await writable(call, signal);
        }
      };
      run().then(() => end(), end);
    };
  }

  raw(path: string, handler: RawHandler) {
    return (call: ServerDuplexStream<Buffer, Buffer>): void => {
      const { signal, over } = this.#track(call, (error) => far.stream.end(error));
      const far = streamOver({
        write: (message, done) => {
          call.write(message, done);
        },
        finish: (error) => {
          if (error !== undefined) call.emit('error', this.#status(error, path, signal));
          else call.end();
        },
        pause: () => call.pause(),
        resume: () => call.resume(),
      });
      // Node tells of a cancelled stream first that its data has ended: which of the two it was shows in a moment.
      call.on('end', () => setImmediate(() => far.remoteEnd()));
      signal.addEventListener('abort', () => far.close(signal.reason), { once: true });
      call.once('finish', () => {
        far.close();
        over();
      });
      try {
        const context = admit(call, path, far.stream.signal, this.#options);
        handler(far.stream, context);
        call.on('data', (message: Buffer) => far.deliver(message));
      } catch (thrown) {
        far.stream.end(thrown);
        call.resume();
      }
    };
  }

  /**
   * Watches a call from here to its end. `signal` aborts when the caller leaves, the deadline passes or the server ends
   * the call; `over` is to be called once the handler has done with it.
   */
  #track(
    call: EventEmitter,
    end: (error: WeftError) => void,
  ): { readonly signal: AbortSignal; readonly over: () => void } {
    const controller = new AbortController();
    const stop = (error: WeftError): void => {
      end(error);
      controller.abort(error);
      this.#running.delete(stop);
    };
    const over = (): void => {
      controller.abort(new WeftError('CANCELLED', 'the call is over'));
      this.#running.delete(stop);
    };
    this.#running.add(stop);
    call.once('cancelled', () => {
      controller.abort(
        new WeftError('CANCELLED', 'the caller has left, or its deadline has passed', { source: 'downstream' }),
      );
      this.#running.delete(stop);
    });
    return { signal: controller.signal, over };
  }

  #status(thrown: unknown, path: string, signal: AbortSignal): ServiceStatus {
    const error = wasAborted(thrown, signal) ? cancelled(thrown) : callerError(thrown, path, this.#options.onFault);
    const metadata = this.#options.newMetadata();
    for (const [key, value] of Object.entries(error.metadata)) {
      metadata.set(key, typeof value === 'string' ? value : Buffer.from(value));
    }
    const details = statusText(error.message);
    return { name: error.name, message: details, details, code: STATUS_CODES[error.code], metadata };
  }
}

/** Whether a handler threw because its call was over: no fault of it, and nobody is left to be told. */
function wasAborted(thrown: unknown, signal: AbortSignal): boolean {
  return signal.aborted && (thrown === signal.reason || (thrown instanceof Error && thrown.name === 'AbortError'));
}

function cancelled(cause: unknown): WeftError {
  return new WeftError('CANCELLED', 'the call is over', { cause });
}

function decodeRequest(method: AnyMethod, bytes: Buffer, path: string): unknown {
  try {
    return method.request.decode(bytes);
  } catch (thrown) {
    throw requestError(thrown, path);
  }
}

/** Resolves when the stream takes more, or the call is over. */
function writable(call: ServerWritableStream<Buffer, Buffer>, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      call.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    call.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
