/**
 * The edges of the mesh. What all instances of telemetry counted together stands in `states.edges`; each instance adds
 * what it counted since its last write, by compare and set, so that counts outlive it and no two count a call twice.
 */
import { createHash } from 'node:crypto';
import type { State, StateEvent } from '@weft/bus';
import type { Edge } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';
import type { Call, EdgeName } from './calls.ts';
import { noCalls, sum, Tally } from './counts.ts';

/** The name of both ends of the edge that takes the calls of edges past the maximum. */
export const OVERFLOW = 'other';

/** How many edges are written at once. */
const WRITERS = 8;
const ATTEMPTS = 10;

export function edgeKey({ source, destination, protocol, reporter }: Pick<Edge, keyof EdgeName>): string {
  return createHash('sha256').update([source, destination, protocol, reporter].join(' ')).digest('hex').slice(0, 32);
}

interface EdgeRecord {
  readonly name: EdgeName;
  /** What stands on the bus, as far as this instance knows. */
  stored: { readonly edge: Edge; readonly revision: number } | undefined;
  /** Counted here, and not yet on the bus. */
  pending: Tally;
  /** What is being written now, and the state's news of the edge meanwhile. */
  writing: { readonly delta: Edge; late: StateEvent<Edge> | undefined } | undefined;
  /** A write whose outcome is not known: if this is what stands, it was made. */
  doubtful: { readonly edge: Edge; readonly delta: Edge } | undefined;
}

export class Edges {
  readonly #records = new Map<string, EdgeRecord>();
  readonly #keys = new Map<string, string>();
  readonly #maxEdges: number;
  #overflowed = 0;

  constructor(maxEdges: number) {
    this.#maxEdges = maxEdges;
  }

  get size(): number {
    return this.#records.size;
  }

  /** How many calls went to the overflow edge since this instance started. */
  get overflowed(): number {
    return this.#overflowed;
  }

  count(call: Call, nowMs: number): void {
    this.#recordOf(call.edge).pending.add(call, nowMs);
  }

  #recordOf(name: EdgeName): EdgeRecord {
    const text = `${name.source} ${name.destination} ${name.protocol} ${name.reporter}`;
    const known = this.#keys.get(text);
    const record = known === undefined ? undefined : this.#records.get(known);
    if (record) return record;
    if (this.#records.size >= this.#maxEdges && name.source !== OVERFLOW) {
      this.#overflowed++;
      return this.#recordOf({ ...name, source: OVERFLOW, destination: OVERFLOW });
    }
    return this.#create(edgeKey(name), name);
  }

  #create(key: string, name: EdgeName): EdgeRecord {
    const known = this.#records.get(key);
    if (known) return known;
    this.#keys.set(`${name.source} ${name.destination} ${name.protocol} ${name.reporter}`, key);
    const record = { name, stored: undefined, pending: new Tally(name), writing: undefined, doubtful: undefined };
    this.#records.set(key, record);
    return record;
  }

  /** Takes in what the watch of the state tells. */
  observe(event: StateEvent<Edge>): void {
    if (event.type === 'synced') return;
    if (event.type === 'delete') {
      const record = this.#records.get(event.key);
      if (record) record.stored = undefined;
      return;
    }
    const { source, destination, reporter } = event.value;
    const protocol = event.value.protocol === 'tcp' ? 'tcp' : 'http';
    const record = this.#create(event.key, { source, destination, protocol, reporter });
    // Until it is known whether the write was made, counting what stands and what is being written would count twice.
    if (record.writing) {
      record.writing.late = event;
      return;
    }
    if (record.doubtful && isSame(event.value, record.doubtful.edge)) record.doubtful = undefined;
    store(record, event.value, event.revision);
  }

  /** Every edge with everything that is known of it. */
  *all(): Iterable<Edge> {
    for (const record of this.#records.values()) {
      let edge = record.stored?.edge ?? noCalls(record.name);
      if (record.writing) edge = sum(edge, record.writing.delta);
      if (record.doubtful) edge = sum(edge, record.doubtful.delta);
      if (!record.pending.isEmpty) edge = sum(edge, record.pending.value());
      if (edge.requests > 0) yield edge;
    }
  }

  /** Writes what was counted since the last time; throws when the bus cannot be written, and loses nothing then. */
  async flush(state: State<Edge>): Promise<void> {
    const dirty = [...this.#records].filter(([, record]) => !record.pending.isEmpty || record.doubtful);
    const next = dirty.values();
    const write = async (): Promise<void> => {
      for (const [key, record] of next) await flushRecord(state, key, record);
    };
    const results = await Promise.allSettled(Array.from({ length: WRITERS }, write));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }
}

function store(record: EdgeRecord, edge: Edge, revision: number): void {
  if (record.stored && record.stored.revision > revision) return;
  record.stored = { edge, revision };
}

/** The same counts, whatever order their statuses were written in. */
function isSame(some: Edge, other: Edge): boolean {
  return some.requests === other.requests && some.lastSeenMs === other.lastSeenMs && some.errors === other.errors;
}

/** Settles a write of unknown outcome by what stands now; gives what has to be written once more. */
async function settle(state: State<Edge>, key: string, record: EdgeRecord): Promise<Edge | undefined> {
  if (!record.doubtful) return undefined;
  const entry = await state.get(key);
  const { doubtful } = record;
  record.doubtful = undefined;
  if (entry) store(record, entry.value, entry.revision);
  return doubtful && !(entry && isSame(entry.value, doubtful.edge)) ? doubtful.delta : undefined;
}

async function flushRecord(state: State<Edge>, key: string, record: EdgeRecord): Promise<void> {
  const again = await settle(state, key, record);
  const fresh = record.pending.value();
  record.pending = new Tally(record.name);
  const delta = again ? sum(again, fresh) : fresh;
  if (delta.requests === 0) return;
  const writing: EdgeRecord['writing'] = { delta, late: undefined };
  record.writing = writing;
  try {
    await writeDelta(state, key, record, delta);
  } finally {
    record.writing = undefined;
    if (writing.late?.type === 'put') store(record, writing.late.value, writing.late.revision);
  }
}

async function writeDelta(state: State<Edge>, key: string, record: EdgeRecord, delta: Edge): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const stored = record.stored;
    const edge = sum(stored?.edge ?? noCalls(record.name), delta);
    try {
      const revision = await state.put(key, edge, { expectedRevision: stored?.revision ?? 0 });
      store(record, edge, revision);
      return;
    } catch (thrown) {
      if (toWeftError(thrown).code !== 'ABORTED' || attempt === ATTEMPTS) {
        record.doubtful = { edge, delta };
        throw thrown;
      }
      const entry = await state.get(key);
      record.stored = entry && { edge: entry.value, revision: entry.revision };
    }
  }
}
