/** The access log service: each stream is one log of one proxy. */
import { setImmediate as nextTick } from 'node:timers/promises';
import { WeftError } from '@weft/contracts/error';
import type { SpiffeId } from '@weft/identity';
import type { CallContext, RawStream } from '@weft/rpc';
import { HttpEntry, LogMessage, TcpEntry } from './access-log.ts';
import { type Call, httpCall, type Sender, tcpCall } from './calls.ts';
import type { TelemetryMetrics } from './metrics.ts';
import type { ServiceNames } from './names.ts';

export const ACCESS_LOG_PATH = '/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs';

/** After how many entries everything else in the process gets its turn. */
const ENTRIES_A_TURN = 256;

export interface Receiver {
  readonly names: ServiceNames;
  readonly metrics: TelemetryMetrics;
  readonly count: (call: Call) => void;
}

/** Reads one stream to its end; nothing of it is kept but counts. */
export async function receive(stream: RawStream, call: CallContext, receiver: Receiver): Promise<void> {
  const { identity } = call.caller;
  if (!identity) {
    stream.end(
      new WeftError('UNAUTHENTICATED', 'access logs are taken from proxies of the mesh alone', {
        source: 'downstream',
      }),
    );
    return;
  }
  let sender: Sender = { identity, nodeId: '', logName: '' };
  for await (const bytes of stream.messages) {
    const message = read(bytes, receiver);
    if (!message) continue;
    if (message.identifier) sender = senderOf(identity, message.identifier);
    await countAll(message, sender, receiver);
  }
  // The method streams to the server alone: its one answer comes at the end.
  stream.send(Buffer.alloc(0));
  stream.end();
}

function senderOf(identity: SpiffeId, identifier: NonNullable<LogMessage['identifier']>): Sender {
  return { identity, nodeId: identifier.node?.id ?? '', logName: identifier.logName };
}

function read(bytes: Buffer, { metrics }: Receiver): LogMessage | undefined {
  try {
    return LogMessage.decode(bytes);
  } catch {
    // A message that is none costs its sender nothing but its counts; the metric tells.
    metrics.refused.inc();
    return undefined;
  }
}

async function countAll(message: LogMessage, sender: Sender, receiver: Receiver): Promise<void> {
  let inTurn = 0;
  const each = async (entries: readonly Uint8Array[], toCall: (entry: Uint8Array) => Call | undefined) => {
    for (const entry of entries) {
      countOne(entry, toCall, receiver);
      if (++inTurn % ENTRIES_A_TURN === 0) await nextTick();
    }
  };
  const { names } = receiver;
  await each(message.httpLogs?.logEntry ?? [], (entry) => httpCall(HttpEntry.decode(entry), sender, names));
  await each(message.tcpLogs?.logEntry ?? [], (entry) => tcpCall(TcpEntry.decode(entry), sender, names));
}

function countOne(
  entry: Uint8Array,
  toCall: (entry: Uint8Array) => Call | undefined,
  { metrics, count }: Receiver,
): void {
  metrics.entries.inc();
  try {
    const call = toCall(entry);
    if (call) count(call);
  } catch {
    // As above: an entry that is none.
    metrics.refused.inc();
  }
}
