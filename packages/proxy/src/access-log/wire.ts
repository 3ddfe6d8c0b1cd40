/**
 * Messages of the access log service put together of entries that are encoded already, so that a message is as large as
 * its entries are, and an entry is encoded once however often it has to wait
 * (https://protobuf.dev/programming-guides/encoding).
 */
import { encode, type Node } from '@weft/envoy-api';

/** Fields of `envoy.service.accesslog.v3.StreamAccessLogsMessage`. */
const LOGS_FIELD = { http: 2, tcp: 3 } as const;
/** `log_entry`, of both kinds of entries. */
const ENTRY_FIELD = 1;
const LENGTH_DELIMITED = 2;
/** A field's tag and the longest length that fits in 32 bits. */
const MAX_PREFIX_BYTES = 6;

export type LogKind = keyof typeof LOGS_FIELD;

function prefix(field: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(MAX_PREFIX_BYTES);
  bytes[0] = (field << 3) | LENGTH_DELIMITED;
  let at = 1;
  let rest = length;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes[at++] = (rest & 0x7f) | 0x80;
  bytes[at++] = rest;
  return bytes.subarray(0, at);
}

/** What the first message of a stream begins with. */
export function identifierBytes(node: Node, logName: string): Buffer {
  const identifier = { node, log_name: logName };
  return encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', { identifier });
}

/** One message; `head` is the identifier, or nothing. */
export function logsMessage(kind: LogKind, entries: readonly Buffer[], head: Buffer | undefined): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (const entry of entries) {
    const before = prefix(ENTRY_FIELD, entry.length);
    parts.push(before, entry);
    length += before.length + entry.length;
  }
  return Buffer.concat([...(head ? [head] : []), prefix(LOGS_FIELD[kind], length), ...parts]);
}
