/**
 * The aggregated discovery service of the agent: passes what the data plane and an xds-server say to one another, and
 * stands in for the xds-server with the last known good configuration as a data plane starts without one.
 */

import { WeftError } from '@weft/contracts/error';
import type { RawHandler, RawStream } from '@weft/rpc';
import { Backoff } from './backoff.ts';
import { DeltaRequest } from './delta.ts';
import { type Acknowledged, type Resources, StreamFollower } from './last-good.ts';
import { LastGoodServer } from './last-good-server.ts';
import type { Log } from './log.ts';

export const DELTA_ADS = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';

export interface AdsRelayOptions {
  /** Opens a stream to an xds-server. */
  readonly open: (signal: AbortSignal) => RawStream;
  /** Called when an xds-server could not be reached, so that the next attempt takes another. */
  readonly onUnreachable: (error: unknown) => void;
  /** Called when an xds-server has answered on a stream, or has taken it and is silent. */
  readonly onReached: () => void;
  readonly acknowledged: Acknowledged;
  /** What a data plane that starts can be given when no xds-server answers for `graceMs`. */
  readonly lastGood: () => Resources | undefined;
  readonly graceMs: number;
  /** The same once an attempt to reach one has failed. */
  readonly unreachableGraceMs: number;
  readonly log: Log;
}

/** What a data plane may say before an xds-server has answered anything. */
const MAX_HELD_BYTES = 4 * 1024 * 1024;

/** After how long without a word an xds-server that has taken the stream counts as reached. */
const THERE_MS = 1000;

/** One stream of the data plane. */
class RelayedStream {
  readonly #options: AdsRelayOptions;
  readonly #downstream: RawStream;
  readonly #follower: StreamFollower;
  /** What the data plane said while nobody has answered it. */
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  #upstream: RawStream | undefined;
  #state: 'waiting' | 'relaying' | 'standing in' = 'waiting';
  #standIn: LastGoodServer | undefined;
  #graceTimer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(downstream: RawStream, options: AdsRelayOptions) {
    this.#downstream = downstream;
    this.#options = options;
    this.#follower = new StreamFollower(options.acknowledged);
  }

  async run(): Promise<void> {
    const upstreams = this.#connectUntilAnswered();
    try {
      await this.#readDownstream();
      this.#downstream.end();
    } catch (thrown) {
      this.#downstream.end(thrown);
    } finally {
      clearTimeout(this.#graceTimer);
      this.#upstream?.end();
    }
    await upstreams;
  }

  async #readDownstream(): Promise<void> {
    for await (const bytes of this.#downstream.messages) {
      this.#follower.request(bytes);
      if (this.#state === 'relaying') {
        if (this.#upstream && !this.#upstream.send(bytes)) await this.#upstream.drained();
        continue;
      }
      this.#hold(bytes);
      if (this.#state === 'standing in') this.#answer(bytes);
    }
  }

  #hold(bytes: Buffer): void {
    if (this.#held.length === 0) this.#watchForGrace(bytes);
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_HELD_BYTES) {
      throw new WeftError(
        'RESOURCE_EXHAUSTED',
        'the data plane says more than its agent can hold without an xds-server',
      );
    }
    this.#upstream?.send(bytes);
  }

  /** A data plane that has something goes on with it; one that has nothing is helped out after a while. */
  #watchForGrace(first: Buffer): void {
    const { graceMs, unreachableGraceMs } = this.#options;
    if (Object.keys(DeltaRequest.decode(first).initialResourceVersions).length > 0) return;
    this.#graceTimer = setTimeout(() => this.#standForXds(), this.#hasFailed ? unreachableGraceMs : graceMs);
  }

  /** Nobody listens there, or nobody lets us in: less patience will do. */
  #failed(error: unknown): void {
    this.#options.onUnreachable(error);
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    if (!this.#graceTimer) return;
    clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => this.#standForXds(), this.#options.unreachableGraceMs);
  }

  #standForXds(): void {
    const lastGood = this.#options.lastGood();
    if (this.#state !== 'waiting' || !lastGood) return;
    this.#options.log.warn({}, 'no xds-server answers; the data plane starts from its last known good configuration');
    this.#state = 'standing in';
    this.#standIn = new LastGoodServer(lastGood);
    for (const bytes of [...this.#held]) this.#answer(bytes);
  }

  #answer(bytes: Buffer): void {
    const response = this.#standIn?.answer(bytes);
    if (!response) return;
    this.#follower.response(response);
    this.#downstream.send(response);
  }

  async #connectUntilAnswered(): Promise<void> {
    const backoff = new Backoff({ firstMs: 50, maxMs: 2000 });
    const { signal } = this.#downstream;
    while (!signal.aborted) {
      try {
        await this.#attempt();
        return;
      } catch (thrown) {
        if (this.#state === 'relaying') {
          // The data plane connects again with what it has, and is told the difference.
          this.#downstream.end(thrown);
          return;
        }
        this.#failed(thrown);
      }
      await backoff.wait(signal);
    }
  }

  /** One stream to an xds-server, until it ends. */
  async #attempt(): Promise<void> {
    const upstream = this.#options.open(this.#downstream.signal);
    this.#upstream = upstream;
    for (const bytes of this.#held) upstream.send(bytes);
    // A data plane that has everything is sent nothing; an xds-server that does not hang up is there.
    const isThere = setTimeout(() => this.#options.onReached(), THERE_MS);
    try {
      await this.#readUpstream(upstream);
    } finally {
      clearTimeout(isThere);
    }
  }

  async #readUpstream(upstream: RawStream): Promise<void> {
    for await (const bytes of upstream.messages) {
      if (this.#state === 'standing in') {
        upstream.end();
        this.#options.onReached();
        this.#downstream.end(new WeftError('UNAVAILABLE', 'the control plane is back: connect again'));
        return;
      }
      this.#relay();
      this.#follower.response(bytes);
      if (!this.#downstream.send(bytes)) await this.#downstream.drained();
    }
    throw new WeftError('UNAVAILABLE', 'the xds-server ended the stream', { source: 'control-plane' });
  }

  #relay(): void {
    if (this.#state === 'relaying') return;
    this.#state = 'relaying';
    clearTimeout(this.#graceTimer);
    this.#held.length = 0;
    this.#options.onReached();
  }
}

/** The handler of delta ADS. */
export function adsRelay(options: AdsRelayOptions): RawHandler {
  return (stream) => {
    new RelayedStream(stream, options).run().catch((thrown: unknown) => stream.end(thrown));
  };
}
