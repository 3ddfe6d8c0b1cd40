import type { DecodeContext } from './decode.ts';
import type { EncodeContext } from './encode.ts';
import type { Reader } from './wire.ts';

export type Read = (reader: Reader, context: DecodeContext) => unknown;
export type Write = (value: unknown, context: EncodeContext) => void;

/** How a message with a ProtoJSON form of its own is read and written. */
export interface WellKnown {
  readonly read: Read;
  readonly write: Write;
}
