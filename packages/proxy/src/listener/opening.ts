/** A connection that was accepted, and what is found out about it before its filter chain is chosen. */

import type { Socket } from 'node:net';
import { joinAddress } from '@weft/contracts/address';
import { addressesOf } from '../net/peer.ts';
import type { ConnectionLog } from './connection-log.ts';

/** By the names of filters, as dynamic metadata has it. */
export type Metadata = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

/** Listener filters fill it; addresses are IP addresses, or '' of a unix socket. */
export class Opening {
  /** The client's, as whoever is before this proxy tells it, where that is believed. */
  remoteHost: string;
  remotePort: number;
  /** Where the client wanted to go. */
  localHost: string;
  localPort: number;
  /** The peer's own. */
  readonly directRemoteHost: string;
  readonly directRemotePort: number;
  /** Of this side, whatever the client wanted. */
  readonly directLocalHost: string;
  readonly directLocalPort: number;
  /** `10.0.0.1:80`: where the client wanted to go, where that is not the address that took the connection. */
  originalDestination: string | undefined = undefined;
  transportProtocol: 'raw_buffer' | 'tls' = 'raw_buffer';
  /** In lower case; '' where none was asked for, undefined where nobody looked or there is no TLS. */
  serverName: string | undefined = undefined;
  /** What the client offers to speak, the most wanted first. */
  applicationProtocols: readonly string[] = [];
  metadata: Metadata | undefined = undefined;
  /** Why there is no TLS with the client; undefined where there is, or the client left. */
  transportFailure: string | undefined = undefined;
  /** Undefined where the listener logs no connections. */
  log: ConnectionLog | undefined = undefined;

  constructor(socket: Socket) {
    const { remoteHost, remotePort, localHost, localPort } = addressesOf(socket);
    this.remoteHost = remoteHost;
    this.remotePort = remotePort;
    this.localHost = localHost;
    this.localPort = localPort;
    this.directRemoteHost = remoteHost;
    this.directRemotePort = remotePort;
    this.directLocalHost = localHost;
    this.directLocalPort = localPort;
  }

  /** The client wanted to go to another address than the one that took the connection. */
  restoreDestination(host: string, port: number): void {
    if (host === this.localHost && port === this.localPort) return;
    this.localHost = host;
    this.localPort = port;
    this.originalDestination = joinAddress(host, port);
  }
}
