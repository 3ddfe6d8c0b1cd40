/** Connections of the agent to one kind of control-plane service, whose addresses change over time. */
import type { ServiceDefinition } from '@weft/contracts/rpc';
import { type SpiffeId, SYSTEM_NAMESPACE } from '@weft/identity';
import { type Channel, type Client, connect, type RawStream, type TlsSource } from '@weft/rpc';

export interface LinkOptions {
  readonly trustDomain: string;
  readonly tls: TlsSource;
  readonly addresses: readonly string[];
}

interface OpenChannel {
  readonly channel: Channel;
  streams: number;
  isRetired: boolean;
}

/** How long a channel that is no longer used is kept for the calls that still run on it. */
const RETIRE_MS = 30_000;

/** Whether an identity is that of the control plane. In one process its services share one certificate. */
export function isControlPlane(server: SpiffeId, trustDomain: string): boolean {
  return server.trustDomain === trustDomain && server.namespace === SYSTEM_NAMESPACE;
}

function shuffled(addresses: readonly string[]): readonly string[] {
  return addresses
    .map((address) => ({ address, order: Math.random() }))
    .sort((some, other) => some.order - other.order)
    .map(({ address }) => address);
}

/** Opens channels to the addresses that are known now; what is open stays when they change. */
export class Link {
  readonly #options: LinkOptions;
  readonly #open = new Set<OpenChannel>();
  #addresses: readonly string[];
  #current: OpenChannel | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#addresses = shuffled(options.addresses);
  }

  get addresses(): readonly string[] {
    return this.#addresses;
  }

  /** Takes new addresses for what is opened from now on. An empty list is no news. */
  setAddresses(addresses: readonly string[]): void {
    const isSame = addresses.length === this.#addresses.length && addresses.every((it) => this.#addresses.includes(it));
    if (addresses.length === 0 || isSame) return;
    this.#addresses = shuffled(addresses);
    this.#retireCurrent();
  }

  /** Puts the first address last, after an instance that can be reached has answered that it cannot help. */
  rotate(): void {
    if (this.#addresses.length < 2) return;
    this.#addresses = [...this.#addresses.slice(1), ...this.#addresses.slice(0, 1)];
    this.#retireCurrent();
  }

  client<S extends ServiceDefinition>(definition: S): Client<S> {
    return this.#channel().channel.client(definition);
  }

  raw(path: string, signal: AbortSignal): RawStream {
    const open = this.#channel();
    const stream = open.channel.raw(path, { signal });
    open.streams++;
    const onEnd = () => {
      open.streams--;
      this.#closeIfUnused(open);
    };
    if (stream.signal.aborted) onEnd();
    else stream.signal.addEventListener('abort', onEnd, { once: true });
    return stream;
  }

  close(): void {
    for (const { channel } of this.#open) channel.close();
    this.#open.clear();
    this.#current = undefined;
  }

  #channel(): OpenChannel {
    if (this.#current) return this.#current;
    const { trustDomain, tls } = this.#options;
    const channel = connect({
      addresses: this.#addresses,
      tls: { source: tls, expect: (server) => isControlPlane(server, trustDomain) },
    });
    this.#current = { channel, streams: 0, isRetired: false };
    this.#open.add(this.#current);
    return this.#current;
  }

  #retireCurrent(): void {
    const retired = this.#current;
    this.#current = undefined;
    if (!retired) return;
    setTimeout(() => {
      retired.isRetired = true;
      this.#closeIfUnused(retired);
    }, RETIRE_MS).unref();
  }

  #closeIfUnused(open: OpenChannel): void {
    if (!open.isRetired || open.streams > 0 || !this.#open.delete(open)) return;
    open.channel.close();
  }
}
