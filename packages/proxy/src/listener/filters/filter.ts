/** A listener filter: what looks at a connection before its filter chain is chosen. Each is a folder. */
import type { Socket } from 'node:net';
import type { StatsRegistry } from '../../stats/registry.ts';
import type { Warming } from '../../warming.ts';
import type { Opening } from '../opening.ts';

/**
 * What a filter makes of the bytes that came so far: it is done, and `taken` of them are for nobody behind it; it needs
 * more, at least so many in all; or the connection is to be closed.
 */
export type Look =
  | { readonly type: 'done'; readonly taken: number }
  | { readonly type: 'more'; readonly atLeast: number }
  | { readonly type: 'close' };

/** Done, and every byte stays for whoever is behind. */
export const DONE: Look = { type: 'done', taken: 0 };
/** Done for any one byte more. */
export const MORE: Look = { type: 'more', atLeast: 0 };
export const CLOSE: Look = { type: 'close' };

/** Made once for a listener; keeps nothing of a connection but what it writes into its opening. */
export interface ListenerFilter {
  /** Sees a connection before anything is read of it. `look`: wants to see its first bytes. */
  onAccept(opening: Opening, socket: Socket): 'pass' | 'look';
  /** Sees all bytes that came and were not taken by a filter before, each time there are as many as it asked for. */
  look(bytes: Buffer, opening: Opening): Look;
}

/** What listener filters are made with. */
export interface ListenerFilterContext {
  readonly stats: StatsRegistry;
  readonly warming: Warming;
}
