/** One connected client: its stream, who it is, and the workload that it is the proxy of. */
import type { Workload } from '@weft/contracts/bus';
import { toWeftError, WeftError } from '@weft/contracts/error';
import type { Node } from '@weft/envoy-api';
import { formatSpiffeId } from '@weft/identity';
import type { CallContext, RawStream } from '@weft/rpc';
import { AdsStream, type StreamOptions } from './stream.ts';
import type { ClientMessage, Variant } from './wire.ts';

export interface ConnectionOptions {
  readonly raw: RawStream;
  readonly call: CallContext;
  readonly variant: Variant;
  /** Whether the client's certificate must be that of its workload. */
  readonly requireIdentity: boolean;
  readonly stream: Omit<StreamOptions, 'variant' | 'send'>;
  readonly onSent: (typeUrl: string) => void;
  readonly connectedAtMs: number;
}

/** What a client calls itself: `envoy 1.40.0`. */
function userAgentOf(node: Node): string {
  const { major_number: major = 0, minor_number: minor = 0, patch = 0 } = node.user_agent_build_version?.version ?? {};
  const version = node.user_agent_version ?? (node.user_agent_build_version ? `${major}.${minor}.${patch}` : '');
  return `${node.user_agent_name ?? 'unknown'} ${version}`.trim().slice(0, 100);
}

const PROXY_ID = /^[a-z0-9-]{1,63}\/[^/]{1,200}$/;

export class Connection {
  readonly stream: AdsStream;
  readonly connectedAtMs: number;
  readonly #options: ConnectionOptions;
  #proxyId: string | undefined;
  #userAgent = '';
  #workload: Workload | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.connectedAtMs = options.connectedAtMs;
    this.stream = new AdsStream({
      ...options.stream,
      variant: options.variant,
      send: (message, typeUrl) => this.#send(message, typeUrl),
    });
  }

  /** `<namespace>/<workload id>`; undefined before the first message. */
  get proxyId(): string | undefined {
    return this.#proxyId;
  }

  get userAgent(): string {
    return this.#userAgent;
  }

  /** The workload as it was registered last; undefined while it was not. */
  get workload(): Workload | undefined {
    return this.#workload;
  }

  #send(message: Buffer, typeUrl: string): boolean {
    this.#options.onSent(typeUrl);
    if (this.#options.raw.send(message)) return true;
    void this.#resume();
    return false;
  }

  async #resume(): Promise<void> {
    await this.#options.raw.drained();
    if (!this.#options.raw.signal.aborted) this.guard(() => this.stream.resume());
  }

  /** Does something with the stream; what it throws ends it. */
  guard(work: () => void): void {
    try {
      work();
    } catch (thrown) {
      this.stream.close();
      this.#options.raw.end(toWeftError(thrown));
    }
  }

  /** Each message of the client, in order, until it leaves. Throws `WeftError`. */
  async *messages(): AsyncGenerator<ClientMessage> {
    const { raw, variant } = this.#options;
    for await (const bytes of raw.messages) {
      let message: ClientMessage;
      try {
        message = variant.read(bytes);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new WeftError('INVALID_ARGUMENT', `a discovery request cannot be read: ${reason}`, { cause });
      }
      this.#introduce(message.node);
      yield message;
    }
  }

  /** Only the first message has to say who the client is. */
  #introduce(node: Node | undefined): void {
    if (this.#proxyId !== undefined) return;
    const id = node?.id ?? '';
    if (!PROXY_ID.test(id)) {
      throw new WeftError(
        'INVALID_ARGUMENT',
        `the first request names the node ${JSON.stringify(id)}: expected node.id as <namespace>/<workload id>`,
      );
    }
    this.#proxyId = id;
    this.#userAgent = node ? userAgentOf(node) : '';
  }

  /** Takes the client for the proxy of that workload. Throws `WeftError` when its certificate is another's. */
  admit(workload: Workload): void {
    if (workload === this.#workload) return;
    const { identity } = this.#options.call.caller;
    if (this.#options.requireIdentity) {
      if (!identity) {
        throw new WeftError('UNAUTHENTICATED', `the proxy ${this.#proxyId} showed no certificate of the mesh`);
      }
      const shown = formatSpiffeId(identity);
      if (shown !== workload.spiffeId) {
        throw new WeftError(
          'PERMISSION_DENIED',
          `the workload ${this.#proxyId} is registered with ${workload.spiffeId}, and the certificate is that of ${shown}`,
        );
      }
    }
    this.#workload = workload;
  }

  close(error?: unknown): void {
    this.stream.close();
    this.#options.raw.end(error === undefined ? undefined : toWeftError(error));
  }
}
