/** Writes what is known of each proxy of this instance to the bus. */
import type { Bus } from '@weft/bus';
import { type ProxyStatus, states } from '@weft/contracts/bus';
import type { Connection } from '../ads/connection.ts';
import { OwnedEntry } from './entry.ts';

export interface ProxyStatusesOptions {
  readonly bus: Bus;
  readonly instanceId: string;
  readonly now: () => number;
  /** The connection of a proxy; undefined when it is not connected. */
  readonly connectionOf: (proxyId: string) => Connection | undefined;
  readonly onTrouble: (key: string, error: unknown) => void;
  /** The least time between two writes of one proxy that tell of no new revision. */
  readonly pauseMs: number;
  /** For how long a proxy that left is expected back. */
  readonly reconnectGraceMs: number;
}

interface Tracked {
  readonly entry: OwnedEntry<ProxyStatus>;
  status: ProxyStatus | undefined;
  /** The status but for its time. */
  picture: string;
  goneTimer: NodeJS.Timeout | undefined;
}

export class ProxyStatuses {
  readonly #options: ProxyStatusesOptions;
  readonly #tracked = new Map<string, Tracked>();
  #ended = false;

  constructor(options: ProxyStatusesOptions) {
    this.#options = options;
  }

  /** Something about the proxy may have changed. */
  changed(proxyId: string): void {
    if (this.#ended) return;
    const connection = this.#options.connectionOf(proxyId);
    if (connection) this.#connected(proxyId, connection);
    else this.#left(proxyId);
  }

  /** Tells that the proxies of this instance are no longer connected to it, and stops. */
  async end(): Promise<void> {
    this.#ended = true;
    const all = [...this.#tracked.values()];
    for (const { entry, status, goneTimer } of all) {
      clearTimeout(goneTimer);
      if (status) entry.put({ ...status, xdsInstance: '' }, 'now', { own: false });
    }
    await Promise.all(all.map(({ entry }) => entry.end()));
    this.#tracked.clear();
  }

  #track(proxyId: string): Tracked {
    const known = this.#tracked.get(proxyId);
    if (known) return known;
    const { bus, pauseMs, now, onTrouble } = this.#options;
    const state = bus.state(states.proxies);
    const entry = new OwnedEntry<ProxyStatus>({ state, key: proxyId, pauseMs, now, onTrouble });
    const tracked: Tracked = { entry, status: undefined, picture: '', goneTimer: undefined };
    this.#tracked.set(proxyId, tracked);
    return tracked;
  }

  #connected(proxyId: string, connection: Connection): void {
    const tracked = this.#track(proxyId);
    clearTimeout(tracked.goneTimer);
    tracked.goneTimer = undefined;
    this.#write(tracked, this.#statusOf(proxyId, connection), true);
  }

  #statusOf(proxyId: string, { stream, userAgent, connectedAtMs }: Connection): ProxyStatus {
    const { sent, accepted, snapshot, refusals } = stream.progress();
    return {
      id: proxyId.slice(proxyId.indexOf('/') + 1),
      xdsInstance: this.#options.instanceId,
      connectedAtMs,
      changedAtMs: 0,
      userAgent,
      acknowledgedRevision: accepted.revision,
      acknowledgedRegistryRevision: accepted.registryRevision,
      sentRevision: sent.revision,
      snapshot,
      nacks: refusals.map(({ typeUrl, refusal: { version, message, atMs } }) => ({ typeUrl, version, message, atMs })),
    };
  }

  #write(tracked: Tracked, status: ProxyStatus, own: boolean): void {
    const picture = JSON.stringify(status);
    if (picture === tracked.picture) return;
    const before = tracked.status;
    const urgent =
      before?.acknowledgedRevision !== status.acknowledgedRevision ||
      before.xdsInstance !== status.xdsInstance ||
      before.nacks.length !== status.nacks.length;
    tracked.picture = picture;
    tracked.status = { ...status, changedAtMs: this.#options.now() };
    tracked.entry.put(tracked.status, urgent ? 'now' : 'gather', { own });
  }

  #left(proxyId: string): void {
    const tracked = this.#tracked.get(proxyId);
    if (!tracked?.status || tracked.goneTimer) return;
    this.#write(tracked, { ...tracked.status, changedAtMs: 0, xdsInstance: '' }, false);
    tracked.goneTimer = setTimeout(() => {
      this.#tracked.delete(proxyId);
      tracked.entry.delete();
    }, this.#options.reconnectGraceMs);
  }
}
