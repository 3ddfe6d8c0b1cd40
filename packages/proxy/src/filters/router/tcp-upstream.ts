/** The far end of a CONNECT that is terminated here: the bytes of the tunnel go on as plain TCP. */
import type { Socket } from 'node:net';
import type { Cluster } from '../../cluster/cluster.ts';
import type { Host } from '../../cluster/host.ts';
import { ResponseHead } from '../../http/message.ts';
import type { RequestStream, ResponseListener } from '../../http/stream.ts';
import { type ConnectFailure, Connecting } from '../../net/connect.ts';
import type { AddressPair } from '../../net/proxy-header.ts';

export class TcpUpstream implements RequestStream {
  readonly #cluster: Cluster;
  readonly #host: Host;
  readonly #connecting: Connecting;
  #listener: ResponseListener | undefined;
  #socket: Socket | undefined;
  #isOver = false;

  constructor(cluster: Cluster, host: Host, client: AddressPair, listener: ResponseListener) {
    this.#cluster = cluster;
    this.#host = host;
    this.#listener = listener;
    cluster.limits.countConnection(host, 1);
    cluster.stats.upstream_cx_total++;
    cluster.stats.upstream_cx_active++;
    host.connectionsActive++;
    host.connectionsTotal++;
    this.#connecting = new Connecting(
      host.address,
      {
        onConnected: (socket) => this.#onConnected(socket),
        onConnectFailed: (failure) => this.#onConnectFailed(failure),
      },
      cluster.connectOf(host, client),
    );
  }

  #onConnectFailed(failure: ConnectFailure): void {
    const { stats } = this.#cluster;
    this.#host.connectFailures++;
    stats.upstream_cx_connect_fail++;
    if (failure.type === 'connect-timeout') stats.upstream_cx_connect_timeout++;
    this.#end();
    this.#reset(failure.type, failure.text, true);
  }

  #onConnected(socket: Socket): void {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#cluster.stats.upstream_cx_rx_bytes_total += chunk.length;
      this.#listener?.onUpstreamBody(chunk);
    });
    socket.on('drain', () => this.#listener?.onUpstreamDrain());
    socket.on('end', () => this.#listener?.onUpstreamEnd(undefined));
    socket.on('error', () => this.#onClosed());
    socket.on('close', () => this.#onClosed());
    this.#listener?.onUpstreamHead(new ResponseHead(200), false);
  }

  #onClosed(): void {
    const wasWhole = this.#socket?.readableEnded === true && this.#socket.writableFinished;
    this.#end();
    if (wasWhole) this.#listener = undefined;
    else this.#reset('connection-termination', '', false);
  }

  #reset(type: ConnectFailure['type'] | 'connection-termination', text: string, isUnsent: boolean): void {
    const listener = this.#listener;
    this.#listener = undefined;
    listener?.onUpstreamReset({ type, text, isUnsent, isReused: false });
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cluster.limits.countConnection(this.#host, -1);
    this.#cluster.stats.upstream_cx_active--;
    this.#cluster.stats.upstream_cx_destroy++;
    this.#host.connectionsActive--;
  }

  /** The request is not sent on: it ends here. */
  sendHead(): void {
    this.#socket?.resume();
  }

  sendBody(chunk: Buffer): boolean {
    return this.#socket?.write(chunk) ?? true;
  }

  sendEnd(): void {
    this.#socket?.end();
  }

  abort(): void {
    this.#listener = undefined;
    this.#connecting.cancel();
    this.#socket?.destroySoon();
    this.#end();
  }

  discardResponse(): void {
    this.abort();
  }

  pauseResponse(): void {
    this.#socket?.pause();
  }

  resumeResponse(): void {
    this.#socket?.resume();
  }
}
