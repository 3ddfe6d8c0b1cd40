/** What a process tells of its services on the bus, and how what dead processes told is cleared away. */
import type { Bus } from '@weft/bus';
import { type Instance, states } from '@weft/contracts/bus';
import { toWeftError } from '@weft/contracts/error';
import type { Logger } from 'pino';
import { INSTANCE_GONE_MS, INSTANCE_REFRESH_MS, instanceKey } from './instances.ts';
import { pause } from './retry.ts';
import type { Clock, ServiceName } from './types.ts';

export interface Announced {
  readonly service: ServiceName;
  readonly id: string;
  readonly address: string;
  readonly startedAtMs: number;
  readonly version: string;
  readonly notReadyBecause: () => string | undefined;
}

export interface AnnounceOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** What runs here now. */
  readonly announced: () => readonly Announced[];
}

const POLL_MS = 250;
/** Entries that nobody has refreshed for this long are deleted by whoever sees it. */
const CLEAR_AFTER_MS = 4 * INSTANCE_GONE_MS;

function entryOf(announced: Announced, nowMs: number): Instance {
  const { id, service, address, startedAtMs, version, notReadyBecause } = announced;
  return { id, service, address, startedAtMs, seenAtMs: nowMs, notReadyBecause: notReadyBecause() ?? '', version };
}

/** Writes an entry for each service, every few seconds and at once when it changed; deletes them when `signal` aborts. */
export async function announce({ bus, clock, log, signal, announced }: AnnounceOptions): Promise<void> {
  const state = bus.state(states.instances);
  const written = new Map<string, { readonly text: string; readonly atMs: number }>();
  let told = false;
  const write = async (one: Announced): Promise<void> => {
    const entry = entryOf(one, clock.now());
    const key = instanceKey(one.service, one.id);
    const text = JSON.stringify({ ...entry, seenAtMs: 0 });
    const before = written.get(key);
    if (before?.text === text && clock.now() - before.atMs < INSTANCE_REFRESH_MS) return;
    await state.put(key, entry);
    written.set(key, { text, atMs: clock.now() });
  };
  while (!signal.aborted) {
    try {
      const current = announced();
      for (const one of current) await write(one);
      const keys = new Set(current.map(({ service, id }) => instanceKey(service, id)));
      for (const key of written.keys()) {
        if (keys.has(key)) continue;
        await state.delete(key);
        written.delete(key);
      }
      told = false;
    } catch (err) {
      if (!told) log.warn({ err }, 'the services of this process could not be announced on the bus; it is tried again');
      told = true;
    }
    await pause(POLL_MS, signal);
  }
  for (const key of written.keys()) {
    await state.delete(key).catch((err: unknown) => log.debug({ err }, 'an entry could not be taken back'));
  }
}

/**
 * Deletes what processes wrote that are gone: on a bus of one process all that is there as it starts, else what nobody
 * refreshes any more.
 */
export async function clearGone(options: Omit<AnnounceOptions, 'announced'>): Promise<void> {
  const { bus, clock, signal } = options;
  const state = bus.state(states.instances);
  if (bus.kind === 'embedded') {
    for (const { key, revision } of await state.list()) await state.delete(key, { expectedRevision: revision });
    return;
  }
  const seen = new Map<string, { readonly revision: number; readonly atMs: number }>();
  while (!signal.aborted) {
    await sweep(options, seen);
    await pause(INSTANCE_GONE_MS, signal);
  }

  async function sweep({ log }: typeof options, before: typeof seen): Promise<void> {
    try {
      for (const { key, revision } of await state.list()) {
        const known = before.get(key);
        if (known?.revision !== revision) before.set(key, { revision, atMs: clock.now() });
        else if (clock.now() - known.atMs > CLEAR_AFTER_MS) await state.delete(key, { expectedRevision: revision });
      }
    } catch (err) {
      if (toWeftError(err).code !== 'ABORTED')
        log.debug({ err }, 'gone instances could not be cleared; it is tried again');
    }
  }
}
