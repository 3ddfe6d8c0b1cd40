import type { BusLog } from '../log-sink.ts';
import type { JetStream } from './jetstream.ts';
import type { Link } from './link.ts';
import type { Publisher } from './publisher.ts';
import type { Streams } from './streams.ts';

/** What logs and states on NATS are made of, one of each for a bus. */
export interface Ports {
  readonly link: Link;
  readonly jetstream: JetStream;
  readonly streams: Streams;
  readonly publisher: Publisher;
  readonly operationTimeoutMs: number;
  readonly markerLifeMs: number;
  readonly log: BusLog;
}
