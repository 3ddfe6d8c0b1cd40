/** What a load process can be asked to do: one table, both ends of the pipe. */
import type { Handshakes, HandshakesCounted } from './handshakes.ts';
import type { Http1Load, Http1Rate } from './http1-load.ts';
import type { Http1Upstream } from './http1-upstream.ts';
import type { Http2Load } from './http2-load.ts';
import type { Http2Upstream } from './http2-upstream.ts';
import type { Counted, Window } from './meter.ts';
import type { Moved, TcpLoad } from './tcp.ts';

export interface Listening {
  readonly port: number;
}

type Nothing = Readonly<Record<never, never>>;

/** By name: what it takes and what it gives, both JSON. */
export interface Operations {
  http1Upstream: { takes: Http1Upstream; gives: Listening };
  http2Upstream: { takes: Http2Upstream; gives: Listening };
  tcpUpstream: { takes: Nothing; gives: Listening };
  /** A receiver of access logs. */
  sink: { takes: Nothing; gives: Listening };
  /** Bytes that all sinks took so far. */
  sunk: { takes: Nothing; gives: { readonly bytes: number } };
  http1Load: { takes: Http1Load & Window; gives: Counted };
  http1Rate: { takes: Http1Load & Http1Rate & Window; gives: Counted };
  http2Load: { takes: Http2Load & Window; gives: Counted };
  tcpLoad: { takes: TcpLoad; gives: Moved };
  handshakes: { takes: Handshakes & Window; gives: HandshakesCounted };
  /** Opens connections, and holds them until they are let go. */
  hold: { takes: Http1Load; gives: Nothing };
  letGo: { takes: Nothing; gives: Nothing };
}

export type OperationName = keyof Operations;

export interface Order {
  readonly id: number;
  readonly name: OperationName;
  readonly takes: object;
}

export type Answer =
  | { readonly id: number; readonly gives: object }
  /** A sentence. */
  | { readonly id: number; readonly failed: string };
