/** The seams of this package: what servers and clients are made of. */
import type { AnyMethod, RequestOf, ResponseOf, ServiceDefinition } from '@weft/contracts/rpc';
import type { SpiffeId } from '@weft/identity';

/** Who calls. */
export interface Caller {
  /** Proved by a certificate of the mesh; undefined when the caller showed none, or one that does not hold. */
  readonly identity: SpiffeId | undefined;
  /** `host:port` of the connection, or `unix`. */
  readonly address: string;
}

export interface CallContext {
  readonly caller: Caller;
  /** Aborts when the caller leaves, its deadline passes, or the server closes. */
  readonly signal: AbortSignal;
  /** Metadata of the request, by lower-case key; of keys that end in `-bin` the bytes in base64. */
  metadata(key: string): string | undefined;
}

/** What a handler of each kind of method takes and gives. A thrown `WeftError` becomes the call's status. */
export type Handler<M extends AnyMethod> = M['kind'] extends 'unary'
  ? (request: RequestOf<M>, call: CallContext) => Promise<ResponseOf<M>>
  : M['kind'] extends 'server-stream'
    ? (request: RequestOf<M>, call: CallContext) => AsyncIterable<ResponseOf<M>>
    : never;

export type Handlers<S extends ServiceDefinition> = { readonly [K in keyof S]: Handler<S[K]> };

/**
 * One side of a bidirectional stream of encoded messages, for those that are encoded once and sent to many, or passed
 * on unread: xDS and access logs. The same type stands for a stream over gRPC and for its twin inside one process.
 */
export interface RawStream {
  /** Sends a message. False: the far side is slow; send what is newest after `drained` rather than more now. */
  send(message: Uint8Array): boolean;
  /** Resolves when messages can be sent again, or the stream has ended. */
  drained(): Promise<void>;
  /** What the far side sends, in order. Ends when it ends; throws `WeftError` when the stream breaks. */
  readonly messages: AsyncIterable<Buffer>;
  /** Ends this side: of a server with status OK, or with the error's. */
  end(error?: unknown): void;
  /** Aborts when the stream is over, for whatever reason. */
  readonly signal: AbortSignal;
}

export type RawHandler = (stream: RawStream, call: CallContext) => void;

/** A gRPC service that a server can serve. */
export interface MountedService {
  /** By path: `/weft.node.v1.Identity/Join`. */
  readonly methods: ReadonlyMap<string, MountedMethod>;
}

export type MountedMethod =
  | { readonly type: 'typed'; readonly method: AnyMethod; readonly handler: (...args: never[]) => unknown }
  | { readonly type: 'raw'; readonly handler: RawHandler };

/** A certificate with its key, and what to trust: PEM, as node:tls takes it. */
export interface TlsMaterial {
  /**
   * The leaf first. Clients leave the root out. The control plane's node servers show their root at the end: an agent that
   * joins knows of it no more than the hash in its token, finds it in the handshake, and only then trusts it.
   */
  readonly chainPem: string;
  readonly keyPem: string;
  readonly rootsPem: readonly string[];
}

/** TLS material that changes over time, as certificates are renewed and roots rotated. */
export interface TlsSource {
  current(): TlsMaterial;
  /** Calls `listener` after each change, until `signal` aborts. */
  onChange(listener: () => void, signal: AbortSignal): void;
}

export interface ListenOptions {
  /** `host:port`, port 0 for any free one, or `unix:<path>`. */
  readonly address: string;
  readonly services: readonly MountedService[];
  /**
   * Mutual TLS; absent: in the clear, for loopback and unix sockets alone. Callers without a certificate of the mesh
   * can connect, and call the methods in `anonymousMethods`; every other call gets UNAUTHENTICATED.
   */
  readonly tls?: TlsSource;
  /** Paths of methods that need no certificate. */
  readonly anonymousMethods?: readonly string[];
  /** Lets every call through, or throws `WeftError`; for bearer tokens on servers without mutual TLS. */
  readonly authorize?: (call: CallContext, path: string) => void;
  /** Told of what handlers throw that is no `WeftError`; callers get INTERNAL without its text. Default: stderr. */
  readonly onFault?: (thrown: unknown, path: string) => void;
  /** Milliseconds since 1970, for the validity of certificates; default `Date.now`. */
  readonly now?: () => number;
}

export interface GrpcServer {
  /** As bound: `127.0.0.1:7440`, or `unix:<path>`. */
  readonly address: string;
  /** Lets running calls end for up to `graceMs` (default 0), then ends them and frees the port. */
  close(graceMs?: number): Promise<void>;
}

export interface ConnectOptions {
  /** `host:port` of each instance, or `unix:<path>`; a call goes to the first that can be reached. */
  readonly addresses: readonly string[];
  /** Mutual TLS; absent: in the clear. */
  readonly tls?: {
    /** Own certificate and trust; a client that has no certificate yet gives the roots alone, with `chainPem` empty. */
    readonly source: TlsSource;
    /** Whom the client means to reach; anybody else is refused whatever root signed them. */
    readonly expect: (server: SpiffeId) => boolean;
  };
  /** Sent with each call as `authorization: Bearer …`. */
  readonly bearerToken?: string;
  /**
   * How often a connection with running calls is checked by an HTTP/2 PING; default 10,000: a dead server is noticed
   * within 18 s. 0: by TCP alone, for servers that are not Weft's and end connections that ping more often than every
   * five minutes, as those of gRPC for Go do unless told otherwise.
   */
  readonly keepaliveMs?: number;
  /** Milliseconds since 1970, for the validity of certificates; default `Date.now`. */
  readonly now?: () => number;
}

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Default 10,000 for unary calls; none for streams. */
  readonly timeoutMs?: number;
}

export type Client<S extends ServiceDefinition> = {
  readonly [K in keyof S]: S[K]['kind'] extends 'unary'
    ? (request: RequestOf<S[K]>, options?: CallOptions) => Promise<ResponseOf<S[K]>>
    : S[K]['kind'] extends 'server-stream'
      ? (request: RequestOf<S[K]>, options?: CallOptions) => AsyncIterable<ResponseOf<S[K]>>
      : never;
};

/** A connection to one of several instances of a server; made when the first call is. */
export interface Channel {
  /** A typed client. Calls throw `WeftError` with the status of the call. */
  client<S extends ServiceDefinition>(definition: S): Client<S>;
  /** Opens a stream of encoded messages. */
  raw(path: string, options?: { readonly signal?: AbortSignal }): RawStream;
  close(): void;
}
