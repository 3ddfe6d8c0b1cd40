/**
 * What stands between a server and a service that can be restarted under it: calls go to the instance that runs now,
 * and those that run on one that stops are ended, as if its process had ended.
 */
import { WeftError } from '@weft/contracts/error';
import type { CallContext, MountedMethod, MountedService, RawHandler } from '@weft/rpc';

type TypedHandler = (request: unknown, call: CallContext) => unknown;

interface Running {
  readonly methods: ReadonlyMap<string, MountedMethod>;
  readonly over: AbortController;
}

export class Switchboard {
  readonly #name: string;
  #running: Running | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** Sends calls to these services from now on. */
  connect(services: readonly MountedService[]): void {
    const methods = new Map(services.flatMap((service) => [...service.methods]));
    this.#running = { methods, over: new AbortController() };
  }

  /** Ends the calls that run, and refuses new ones as UNAVAILABLE. */
  disconnect(): void {
    this.#running?.over.abort(this.#away());
    this.#running = undefined;
  }

  #away(): WeftError {
    return new WeftError('UNAVAILABLE', `${this.#name} is restarting`, { source: 'control-plane' });
  }

  #current(path: string): { readonly method: MountedMethod; readonly over: AbortSignal } {
    const running = this.#running;
    const method = running?.methods.get(path);
    if (!running || !method) throw this.#away();
    return { method, over: running.over.signal };
  }

  /** The service to mount on the server; its methods are those that are connected now. */
  mounted(): MountedService {
    const methods = new Map<string, MountedMethod>();
    for (const [path, method] of this.#running?.methods ?? []) methods.set(path, this.#forward(path, method));
    return { methods };
  }

  #forward(path: string, like: MountedMethod): MountedMethod {
    if (like.type === 'raw') return { type: 'raw', handler: this.#forwardRaw(path) };
    const forward: TypedHandler =
      like.method.kind === 'unary'
        ? (request, call) => this.#forwardUnary(path, request, call)
        : (request, call) => this.#forwardStream(path, request, call);
    return { type: 'typed', method: like.method, handler: forward };
  }

  #forwardRaw(path: string): RawHandler {
    return (stream, call) => {
      const { method, over } = this.#current(path);
      const end = (): void => stream.end(over.reason);
      over.addEventListener('abort', end, { once: true });
      stream.signal.addEventListener('abort', () => over.removeEventListener('abort', end), { once: true });
      if (method.type === 'raw') method.handler(stream, call);
    };
  }

  #typed(path: string): { readonly handler: TypedHandler; readonly over: AbortSignal } {
    const { method, over } = this.#current(path);
    return { handler: method.handler as TypedHandler, over };
  }

  async #forwardUnary(path: string, request: unknown, call: CallContext): Promise<unknown> {
    const { handler, over } = this.#typed(path);
    return raceAbort(Promise.resolve(handler(request, within(call, over))), over);
  }

  async *#forwardStream(path: string, request: unknown, call: CallContext): AsyncIterable<unknown> {
    const { handler, over } = this.#typed(path);
    const source = (handler(request, within(call, over)) as AsyncIterable<unknown>)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await raceAbort(source.next(), over);
        if (next.done) return;
        yield next.value;
      }
    } finally {
      await source.return?.();
    }
  }
}

function within(call: CallContext, over: AbortSignal): CallContext {
  return {
    caller: call.caller,
    signal: AbortSignal.any([call.signal, over]),
    metadata: (key) => call.metadata(key),
  };
}

function raceAbort<T>(work: Promise<T>, over: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(over.reason);
    if (over.aborted) abort();
    over.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => over.removeEventListener('abort', abort));
  });
}
