/** Load over HTTP/1.1: as fast as answers come, at a constant rate whether they come or not, and connections that rest. */
import { Http1Connection, readBuffer } from './http1-client.ts';
import { type Counted, Meter, type Window } from './meter.ts';

export interface Http1Load {
  readonly port: number;
  readonly connections: number;
  readonly bodyBytes: number;
  /** Whole requests, sent in turn by each connection. */
  readonly requests: readonly string[];
}

interface Opened {
  readonly meter: Meter;
  readonly connections: Http1Connection[];
  close(): void;
}

/** How many connections are being made at once: a listener's backlog is limited. */
const CONNECTING = 100;

async function open(
  load: Http1Load,
  onIdle: (connection: Http1Connection) => void,
  onConnected: (connection: Http1Connection) => Promise<void> | undefined = () => undefined,
): Promise<Opened> {
  const meter = new Meter();
  const requests = load.requests.map((text) => Buffer.from(text, 'latin1'));
  const options = { port: load.port, bodyBytes: load.bodyBytes, requests, meter, buffer: readBuffer(), onIdle };
  const connections: Http1Connection[] = [];
  const close = () => {
    for (const connection of connections) connection.close();
  };
  const openNext = async (): Promise<void> => {
    while (connections.length < load.connections) {
      const connection = new Http1Connection(options, connections.length);
      connections.push(connection);
      await connection.connected();
      await onConnected(connection);
    }
  };
  try {
    await meter.watch(Promise.all(Array.from({ length: CONNECTING }, openNext)));
  } catch (error) {
    close();
    throw error;
  }
  return { meter, connections, close };
}

/** Each connection sends as soon as its answer has come. */
export async function runHttp1Load(load: Http1Load & Window): Promise<Counted> {
  const opened = await open(load, (connection) => connection.send(performance.now()));
  try {
    for (const connection of opened.connections) connection.send(performance.now());
    return await opened.meter.count(load);
  } finally {
    opened.close();
  }
}

export interface Http1Rate {
  readonly requestsPerSecond: number;
}

/**
 * Requests come when they are due, whether there is a free connection or not: what waits for one counts as waiting. So
 * a pause of the proxy weighs on every request that it holds up (no coordinated omission).
 */
export async function runHttp1Rate(load: Http1Load & Http1Rate & Window): Promise<Counted> {
  const idle: Http1Connection[] = [];
  const due: number[] = [];
  let nextDue = 0;
  const onIdle = (connection: Http1Connection) => {
    const sinceMs = due[nextDue];
    if (sinceMs === undefined) {
      idle.push(connection);
      return;
    }
    connection.send(sinceMs);
    if (++nextDue === due.length) {
      due.length = 0;
      nextDue = 0;
    }
  };
  const opened = await open(load, onIdle);
  idle.push(...opened.connections);
  const startedMs = performance.now();
  let begun = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    const wanted = Math.floor(((nowMs - startedMs) / 1000) * load.requestsPerSecond);
    for (; begun < wanted; begun++) {
      const connection = idle.shift();
      if (connection) connection.send(nowMs);
      else due.push(nowMs);
    }
  }, 1);
  try {
    return await opened.meter.count(load);
  } finally {
    clearInterval(timer);
    opened.close();
  }
}

/** Connections that were used once and rest since. */
export class HeldConnections {
  readonly #opened: Opened;

  private constructor(opened: Opened) {
    this.#opened = opened;
  }

  /** Resolves when each has its one answer. */
  static async open(load: Http1Load): Promise<HeldConnections> {
    const waiting = new Map<Http1Connection, () => void>();
    const onIdle = (connection: Http1Connection) => {
      waiting.get(connection)?.();
      waiting.delete(connection);
    };
    const onConnected = (connection: Http1Connection) =>
      new Promise<void>((resolve) => {
        waiting.set(connection, resolve);
        connection.send(performance.now());
      });
    return new HeldConnections(await open(load, onIdle, onConnected));
  }

  /** Rejects where one of them was closed meanwhile. */
  check(): Promise<void> {
    return this.#opened.meter.watch(Promise.resolve());
  }

  close(): void {
    this.#opened.close();
  }
}
