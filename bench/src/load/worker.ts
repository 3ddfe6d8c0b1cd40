/** The load process: does what comes over the pipe to its parent, and ends with it. */
import type { Server } from 'node:net';
import { runHandshakes } from './handshakes.ts';
import { HeldConnections, runHttp1Load, runHttp1Rate } from './http1-load.ts';
import { createHttp1Upstream } from './http1-upstream.ts';
import { runHttp2Load } from './http2-load.ts';
import { createHttp2Upstream, createSink } from './http2-upstream.ts';
import type { Answer, Listening, OperationName, Operations, Order } from './operations.ts';
import { createTcpUpstream, runTcpLoad } from './tcp.ts';

/** Connections that wait to be accepted. */
const BACKLOG = 4096;

function listen(server: Server): Promise<Listening> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port: 0, host: '127.0.0.1', backlog: BACKLOG }, () => {
      resolve({ port: (server.address() as { port: number }).port });
    });
  });
}

type Does = { readonly [K in OperationName]: (takes: Operations[K]['takes']) => Promise<Operations[K]['gives']> };

function makeOperations(): Does {
  const sunk = { bytes: 0 };
  let held: HeldConnections | undefined;
  return {
    http1Upstream: (options) => listen(createHttp1Upstream(options)),
    http2Upstream: (options) => listen(createHttp2Upstream(options)),
    tcpUpstream: () => listen(createTcpUpstream()),
    sink: () => listen(createSink(sunk)),
    sunk: async () => sunk,
    http1Load: runHttp1Load,
    http1Rate: runHttp1Rate,
    http2Load: runHttp2Load,
    tcpLoad: runTcpLoad,
    handshakes: runHandshakes,
    async hold(load) {
      held = await HeldConnections.open(load);
      return {};
    },
    async letGo() {
      await held?.check();
      held?.close();
      return {};
    },
  };
}

const operations = makeOperations();

async function answer({ id, name, takes }: Order): Promise<Answer> {
  try {
    // What an operation takes stands beside its name in the table of both ends.
    const run = operations[name] as (given: object) => Promise<object>;
    return { id, gives: await run(takes) };
  } catch (error) {
    return { id, failed: (error as Error).message };
  }
}

process.on('message', (order: Order) => {
  void answer(order).then((told) => process.send?.(told));
});
process.on('disconnect', () => process.exit());
