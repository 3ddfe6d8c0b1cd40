/** A check by a TCP connection, and bytes that go and come on it. */
import type { Socket } from 'node:net';
import type { TcpHealthCheckConfig } from '../../config/health-check.ts';
import { Connecting, type ConnectOptions } from '../../net/connect.ts';
import type { Host } from '../host.ts';
import { checkedAddress } from './connection.ts';
import { holdsInOrder, NO_ANSWER, PASSED, type Probe, type ProbeOwner } from './probe.ts';

/** Bytes of an answer that are looked at; what a host sends beyond them is thrown away. */
const MAX_BYTES = 65_536;

export interface TcpProbeOptions {
  readonly config: TcpHealthCheckConfig;
  readonly connect: ConnectOptions;
  readonly reusesConnection: boolean;
}

export class TcpProbe implements Probe {
  readonly #host: Host;
  readonly #owner: ProbeOwner;
  readonly #options: TcpProbeOptions;
  #connecting: Connecting | undefined;
  #socket: Socket | undefined;
  #received = Buffer.alloc(0);

  constructor(host: Host, owner: ProbeOwner, options: TcpProbeOptions) {
    this.#host = host;
    this.#owner = owner;
    this.#options = options;
  }

  start(): void {
    if (this.#socket) this.#send(this.#socket);
    else this.#connect();
  }

  #connect(): void {
    this.#connecting = new Connecting(
      checkedAddress(this.#host),
      {
        onConnected: (socket) => this.#onConnected(socket),
        onConnectFailed: () => {
          this.#connecting = undefined;
          this.#owner.onOutcome(NO_ANSWER);
        },
      },
      this.#options.connect,
    );
  }

  #onConnected(socket: Socket): void {
    this.#connecting = undefined;
    if (this.#options.config.receive.length === 0) {
      // That it connects is all that is asked.
      socket.on('error', () => undefined);
      socket.destroy();
      this.#owner.onOutcome(PASSED);
      return;
    }
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#onData(socket, chunk));
    for (const event of ['end', 'error', 'close']) socket.on(event, () => this.#onGone(socket));
    this.#send(socket);
  }

  #send(socket: Socket): void {
    const { send } = this.#options.config;
    if (send) socket.write(send);
  }

  #onData(socket: Socket, chunk: Buffer): void {
    if (this.#socket !== socket || this.#received.length + chunk.length > MAX_BYTES) return;
    this.#received = Buffer.concat([this.#received, chunk]);
    if (!holdsInOrder(this.#received, this.#options.config.receive)) return;
    this.#received = Buffer.alloc(0);
    if (!this.#options.reusesConnection) this.#disconnect();
    this.#owner.onOutcome(PASSED);
  }

  /** The host closed the connection: that is a failure also while nothing is asked, as Envoy has it. */
  #onGone(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#disconnect();
    this.#owner.onOutcome(NO_ANSWER);
  }

  #disconnect(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#received = Buffer.alloc(0);
    socket?.destroy();
  }

  giveUp(): void {
    this.#connecting?.cancel();
    this.#connecting = undefined;
    this.#disconnect();
  }

  close(): void {
    this.giveUp();
  }
}
