/** The bus inside one process: durable in one SQLite file, nothing to install, no broker. */
import { closedError } from '../checks.ts';
import type { Bus } from '../index.ts';
import { type BusLog, SILENT } from '../log-sink.ts';
import { Calls } from './calls.ts';
import { Events } from './events.ts';
import { openFile } from './file.ts';
import { EmbeddedLog, LogStore } from './log.ts';
import { EmbeddedState, StateStore } from './state.ts';
import { Writer } from './writer.ts';

export type { BusLog } from '../log-sink.ts';

export interface EmbeddedBusOptions {
  /** The SQLite file, made with mode 0600 where there is none, its folder with 0700; `:memory:` keeps nothing. */
  readonly path: string;
  readonly log?: BusLog;
}

function remembered<T>(make: (name: string) => T): { readonly all: Map<string, T>; get(name: string): T } {
  const all = new Map<string, T>();
  return {
    all,
    get(name) {
      const known = all.get(name) ?? make(name);
      all.set(name, known);
      return known;
    },
  };
}

/**
 * Opens the bus; one process at a time can. What it acknowledges is on the disk: a process killed at any moment loses
 * nothing of that. Throws `WeftError`: FAILED_PRECONDITION when another process holds the file (told with its id), or
 * the file is another program's or a newer Weft's; DATA_LOSS when it is damaged.
 */
export async function openEmbeddedBus(options: EmbeddedBusOptions): Promise<Bus> {
  const log = options.log ?? SILENT;
  const file = await openFile(options.path);
  const writer = new Writer(file);
  const states = remembered((name) => new StateStore(name, file, writer));
  const logs = remembered((name) => new LogStore(name, file, writer));
  const calls = new Calls();
  const events = new Events(log);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    events.close();
    await calls.close();
    writer.close();
    for (const store of [...states.all.values(), ...logs.all.values()]) store.close();
    file.close();
  };
  return {
    kind: 'embedded',
    call: (contract, request, callOptions) => calls.call(contract, request, callOptions),
    serve: async (contract, handler, signal) => calls.serve(contract, handler, signal),
    publish: (contract, value) => events.publish(contract, value),
    subscribe: async (contract, listener, signal) => events.subscribe(contract, listener, signal),
    state: (contract) => new EmbeddedState(contract, states.get(contract.name)),
    log: (contract) => new EmbeddedLog(contract, logs.get(contract.name)),
    trouble: () => (closing ? closedError().message : writer.trouble),
    close() {
      closing ??= close();
      return closing;
    },
  };
}
