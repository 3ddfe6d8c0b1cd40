/**
 * Schema of options of sockets, by the numbers that the operating system has for them
 * (https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3/config/core/v3/socket_option.proto).
 */
import { built, bytes, choice, list, message, number, optional, presence, type Schema, text } from './schema.ts';

/** One option, and what is set. */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly value: Buffer;
  /** `bind`: before the socket has its address; `bound` and `listening`: as soon as it has, and as it listens. */
  readonly when: 'bind' | 'bound' | 'listening';
}

const INT = 0x7fff_ffff;
const WHEN = { STATE_PREBIND: 'bind', STATE_BOUND: 'bound', STATE_LISTENING: 'listening' } as const;

/** A value of C's `int`. */
export function intValue(value: number): Buffer {
  const encoded = Buffer.alloc(4);
  encoded.writeInt32LE(value);
  return encoded;
}

const socketType = message('envoy.config.core.v3.SocketOption.SocketType', {
  stream: optional(presence()),
});

export const socketOption: Schema<SocketOption> = built(
  message('envoy.config.core.v3.SocketOption', {
    description: text(),
    level: number(0, { max: INT }),
    name: number(0, { max: INT }),
    int_value: optional(number(0, { min: -INT - 1, max: INT })),
    buf_value: optional(bytes()),
    state: choice(['STATE_PREBIND', 'STATE_BOUND', 'STATE_LISTENING']),
    type: optional(socketType),
  }),
  ({ level, name, int_value: int, buf_value: buffer, state }, place) => {
    if (int === undefined && buffer === undefined) place.refuse('needs int_value or buf_value');
    return { level, name, value: buffer ?? intValue(int ?? 0), when: WHEN[state] };
  },
);

/** Options in place of those that stand elsewhere. */
export const socketOptionsOverride = message('envoy.config.core.v3.SocketOptionsOverride', {
  socket_options: list(socketOption),
});
