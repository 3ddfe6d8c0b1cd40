/** One name among listeners: what has it now, what comes next, and the sockets that both are bound to. */
import type { Cancel } from '../clock.ts';
import { addressText, type NetworkAddress } from '../config/core.ts';
import type { ListenerConfig } from '../config/listener.ts';
import { Acceptor, type AddressShare } from './acceptor.ts';
import { addressesOf } from './addresses.ts';
import type { FoundPorts } from './found-ports.ts';
import type { InheritedSockets } from './inherited.ts';
import type { Listener } from './listener.ts';
import { socketOptionsOf } from './socket-options.ts';

/** One name, over the versions of its listener. */
export interface Slot {
  active: Listener | undefined;
  warming: Listener | undefined;
  /** The address of the listener first; none where it is not bound. */
  acceptors: readonly Acceptor[];
  /** Why the address cannot be bound. */
  trouble: string | undefined;
  cancelRetry: Cancel;
  isBinding: boolean;
  isRemoved: boolean;
}

export function newSlot(): Slot {
  return {
    active: undefined,
    warming: undefined,
    acceptors: [],
    trouble: undefined,
    cancelRetry: () => undefined,
    isBinding: false,
    isRemoved: false,
  };
}

export interface BindOptions {
  /** Sockets of the process that this one takes over from. */
  readonly inherited: InheritedSockets | undefined;
  readonly share: AddressShare;
  /** Where threads agree on ports of addresses that leave them open. */
  readonly ports: FoundPorts;
}

/**
 * Binds every address of a listener, those that its slot has bound already left as they are. Throws `WeftError`
 * UNAVAILABLE where one cannot be had, and then none is kept that was bound for it.
 */
export async function bindAll(
  name: string,
  slot: Slot,
  config: ListenerConfig,
  { inherited, share, ports }: BindOptions,
): Promise<readonly Acceptor[]> {
  const acceptors: Acceptor[] = [];
  try {
    for (const [index, address] of addressesOf(config).entries()) {
      const kept = boundAt(slot, address);
      if (kept && !acceptors.includes(kept)) {
        await kept.setOptions(socketOptionsOf(config, address));
        acceptors.push(kept);
        continue;
      }
      const acceptor = await Acceptor.bind({
        address,
        backlog: config.tcp_backlog_size,
        inherited,
        share,
        allowsSharing: config.enable_reuse_port,
        foundPort: share === 'other' && isOpen(config, address) ? await ports.find(name, index) : undefined,
        options: socketOptionsOf(config, address),
      });
      acceptors.push(acceptor);
    }
    if (share === 'first') {
      const found = addressesOf(config).map((address, index) => {
        const bound = isOpen(config, address) ? acceptors[index]?.address : undefined;
        return bound?.type === 'tcp' ? bound.port : 0;
      });
      if (found.some((port) => port !== 0)) ports.tell(name, found);
    }
    return acceptors;
  } catch (thrown) {
    closeNew(slot, acceptors);
    throw thrown;
  }
}

/** Whether threads share an address whose port is whatever is free. */
function isOpen(config: ListenerConfig, address: NetworkAddress): boolean {
  return config.enable_reuse_port && address.type === 'tcp' && address.port === 0;
}

/** What a listener has bound already of an address that its next version has, too. */
function boundAt({ active, acceptors }: Slot, address: NetworkAddress): Acceptor | undefined {
  const text = addressText(address);
  const index = active ? addressesOf(active.config).findIndex((one) => addressText(one) === text) : -1;
  return acceptors[index];
}

/** Lets go of what was bound for a version that does not come to be used. */
export function closeNew(slot: Slot, acceptors: readonly Acceptor[]): void {
  for (const acceptor of acceptors) if (!slot.acceptors.includes(acceptor)) acceptor.close();
}
