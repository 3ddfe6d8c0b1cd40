/** What the agent serves to its data plane: configuration, secrets, and a place for access logs. */
import { WeftError } from '@weft/contracts/error';
import type { CallContext, MountedService, RawHandler, RawStream, TlsSource } from '@weft/rpc';
import { memoryStreamPair, rawService } from '@weft/rpc';
import { adsRelay, DELTA_ADS } from './ads-relay.ts';
import { ACCESS_LOGS, alsRelay } from './als-relay.ts';
import type { AgentFolder } from './folder.ts';
import { type Acknowledged, LastGoodKeeper, readLastGood } from './last-good.ts';
import type { Link } from './link.ts';
import type { Log } from './log.ts';
import { SecretStore, secretHandlers } from './sds.ts';

/** How long an xds-server may be silent, or away, before a data plane that starts is given what was known last. */
const SILENCE_GRACE_MS = 1500;
const UNREACHABLE_GRACE_MS = 250;

export interface NodeApiOptions {
  readonly tls: TlsSource;
  readonly trustDomain: string;
  readonly xds: Link;
  readonly telemetry: Link;
  readonly folder: AgentFolder;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export interface NodeApi {
  /** For a server on a unix socket. */
  readonly service: MountedService;
  /** For a data plane in this process. */
  open(path: string, signal: AbortSignal): RawStream;
  /** What the data plane has acknowledged in this life of it. */
  readonly acknowledged: Acknowledged;
  /** Why no xds-server answers; undefined when one does, or none was needed yet. */
  xdsTrouble(): string | undefined;
  /** Writes what is still to be kept. */
  flush(): void;
}

export function createNodeApi(options: NodeApiOptions): NodeApi {
  const { tls, trustDomain, xds, telemetry, folder, log, signal } = options;
  const kept = readLastGood(folder);
  const keeper = new LastGoodKeeper(folder, (thrown) =>
    log.warn({ reason: String(thrown) }, 'the last known good configuration could not be kept'),
  );
  let xdsTrouble: string | undefined;
  const handlers: Readonly<Record<string, RawHandler>> = {
    [DELTA_ADS]: adsRelay({
      open: (streamSignal) => xds.raw(DELTA_ADS, streamSignal),
      onUnreachable: (thrown) => {
        const reason = thrown instanceof Error ? thrown.message : String(thrown);
        if (xdsTrouble === undefined) log.warn({ reason }, 'no xds-server answers; it is tried again');
        xdsTrouble = reason;
        xds.rotate();
      },
      onReached: () => {
        if (xdsTrouble !== undefined) log.info({}, 'an xds-server answers again');
        xdsTrouble = undefined;
      },
      acknowledged: keeper.acknowledged,
      lastGood: () => (keeper.acknowledged.isWhole ? keeper.acknowledged.resources : kept),
      graceMs: SILENCE_GRACE_MS,
      unreachableGraceMs: UNREACHABLE_GRACE_MS,
      log,
    }),
    [ACCESS_LOGS]: alsRelay({
      open: (streamSignal) => telemetry.raw(ACCESS_LOGS, streamSignal),
      onUnreachable: () => telemetry.rotate(),
      log,
    }),
    ...secretHandlers(new SecretStore(tls, trustDomain, signal), log),
  };
  return {
    service: rawService(handlers),
    open: (path, streamSignal) => openInMemory(handlers, path, streamSignal),
    acknowledged: keeper.acknowledged,
    xdsTrouble: () => xdsTrouble,
    flush: () => keeper.flush(),
  };
}

function openInMemory(handlers: Readonly<Record<string, RawHandler>>, path: string, signal: AbortSignal): RawStream {
  const handler = Object.hasOwn(handlers, path) ? handlers[path] : undefined;
  if (!handler) throw new WeftError('UNIMPLEMENTED', `the agent does not serve ${path}`);
  const [near, far] = memoryStreamPair();
  const call: CallContext = {
    caller: { identity: undefined, address: 'memory' },
    signal: far.signal,
    metadata: () => undefined,
  };
  handler(far, call);
  const end = () => near.end(new WeftError('CANCELLED', 'the data plane has left the stream'));
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  return near;
}
