import type { BusLog } from '../log-sink.ts';

/** How a client proves itself to the servers. */
export type NatsCredentials =
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'password'; readonly user: string; readonly password: string }
  /** The text of a `.creds` file: a JWT and the seed of its key. */
  | { readonly type: 'creds'; readonly text: string };

/** TLS to the servers: PEM, all optional; without `caPem` the system's roots are trusted. */
export interface NatsTls {
  readonly caPem?: string;
  readonly certPem?: string;
  readonly keyPem?: string;
}

export interface NatsBusOptions {
  /** `nats://host:port` or `tls://host:port`, one or more of a cluster; the others are learnt from those. */
  readonly servers: readonly string[];
  /** What the servers show of this client. */
  readonly name: string;
  /** Default: those in the first server's URL, if there are any. */
  readonly credentials?: NatsCredentials;
  readonly tls?: NatsTls;
  /** Copies of each stream that is made; default 3 in a cluster of three or more, else 1. Those that exist stay as they are. */
  readonly replicas?: number;
  /** How long opening waits for a server with JetStream, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** How long reads and writes are tried again while servers elect a leader, in milliseconds; default 15,000. */
  readonly operationTimeoutMs?: number;
  /**
   * How long the marker of a deletion is kept, in milliseconds and whole seconds; default an hour. A watch that was away
   * for longer than half of it reads everything again.
   */
  readonly markerLifeMs?: number;
  /** The prefix of subjects for replies, where the user's permissions name one; default `_INBOX`. */
  readonly inboxPrefix?: string;
  readonly log?: BusLog;
  /** Ends the opening. */
  readonly signal?: AbortSignal;
}
