/** The bus over NATS with JetStream: one server, or a cluster that outlives the loss of one. */
import { closedError } from '../checks.ts';
import type { Bus } from '../index.ts';
import { SILENT } from '../log-sink.ts';
import { Calls } from './calls.ts';
import { openLink } from './connect.ts';
import { Events } from './events.ts';
import { JetStream } from './jetstream.ts';
import { NatsLog } from './log.ts';
import type { NatsBusOptions } from './options.ts';
import type { Ports } from './ports.ts';
import { Publisher } from './publisher.ts';
import { NatsState } from './state.ts';
import { Streams } from './streams.ts';

export type { BusLog } from '../log-sink.ts';
export type { NatsBusOptions, NatsCredentials, NatsTls } from './options.ts';

const OPERATION_TIMEOUT_MS = 15_000;
const MARKER_LIFE_MS = 60 * 60_000;

/**
 * Opens the bus over NATS. Streams and buckets are made when they are first used, and used as they are where they exist.
 * Reconnects for ever; meanwhile reads and writes wait for up to `operationTimeoutMs` and watches go on where they were.
 * Throws `WeftError`: UNAVAILABLE naming the servers when none answers in time, UNAUTHENTICATED when it refuses the
 * credentials, FAILED_PRECONDITION when it is too old or runs without JetStream, INVALID_ARGUMENT for an address that
 * is none.
 */
export async function openNatsBus(options: NatsBusOptions): Promise<Bus> {
  const log = options.log ?? SILENT;
  const operationTimeoutMs = options.operationTimeoutMs ?? OPERATION_TIMEOUT_MS;
  const markerLifeMs = options.markerLifeMs ?? MARKER_LIFE_MS;
  const link = await openLink(options, log);
  const jetstream = new JetStream(link);
  const streams = new Streams(link, jetstream, { replicas: options.replicas, operationTimeoutMs });
  const publisher = new Publisher(link, jetstream, streams, operationTimeoutMs);
  const ports: Ports = { link, jetstream, streams, publisher, operationTimeoutMs, markerLifeMs, log };
  const calls = new Calls(link);
  const events = new Events(link, log);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await calls.close();
    await link.close();
  };
  return {
    kind: 'nats',
    call: (contract, request, callOptions) => calls.call(contract, request, callOptions),
    serve: (contract, handler, signal) => calls.serve(contract, handler, signal),
    publish: (contract, value) => events.publish(contract, value),
    subscribe: (contract, listener, signal) => events.subscribe(contract, listener, signal),
    state: (contract) => new NatsState(contract, ports),
    log: (contract) => new NatsLog(contract, ports),
    trouble: () => (closing ? closedError().message : link.trouble()),
    close() {
      closing ??= close();
      return closing;
    },
  };
}
