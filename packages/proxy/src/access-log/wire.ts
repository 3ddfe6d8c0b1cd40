/**
 * What messages of the access log service are put together of (envoy.service.accesslog.v3.StreamAccessLogsMessage): who
 * sends, in the first one of a stream, and entries of one kind.
 */
import { encode, type Node } from '@weft/envoy-api';

/** The fields that hold entries. */
export const LOGS_FIELD = { http: 2, tcp: 3 } as const;
/** `log_entry`, of both kinds of entries. */
export const ENTRY_FIELD = 1;

export type LogKind = keyof typeof LOGS_FIELD;

/** What the first message of a stream begins with. */
export function identifierBytes(node: Node, logName: string): Buffer {
  const identifier = { node, log_name: logName };
  return encode('envoy.service.accesslog.v3.StreamAccessLogsMessage', { identifier });
}
