/** What the contract suite stands on. */
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { CallContract, EventContract, LogContract, StateContract } from '@weft/contracts/bus';
import type { Bus, LogEvent, StateEvent } from '../index.ts';

/** A bus that is open, for one test. */
export interface Ground {
  readonly bus: Bus;
  /** Another client of the same bus; the same one where there can be one alone. The ground closes it. */
  other(): Promise<Bus>;
  /** Ends `bus` and opens it again, as when the process is restarted. */
  reopen(): Promise<Bus>;
  /** The largest message that the bus takes. */
  readonly limitBytes: number;
  /** Ends everything that was opened. */
  close(): Promise<void>;
}

export type OpenGround = () => Promise<Ground>;

/** The message that the suite sends. */
export interface Note {
  readonly text: string;
}

const note: StateContract<Note>['value'] = {
  typeName: 'weft.bus.test.Note',
  encode: (value) => Buffer.from(value.text),
  decode: (bytes) => ({ text: Buffer.from(bytes).toString() }),
};

function name(): string {
  return `suite-${randomBytes(6).toString('hex')}`;
}

/** Contracts that no other test has. */
export function stateContract(): StateContract<Note> {
  return { name: name(), value: note };
}

export function logContract(): LogContract<Note> {
  return { name: name(), value: note };
}

export function callContract(): CallContract<Note, Note> {
  return { name: `suite.${name()}`, request: note, response: note };
}

export function eventContract(): EventContract<Note> {
  return { name: `suite.${name()}`, value: note };
}

/** How long a test may take before it counts as hung; machines under load are slow. */
const TIMEOUT_MS = 60_000;

/** Defines a test that has a ground of its own and a signal that aborts when it ends. */
export function onGround(
  open: OpenGround,
  title: string,
  body: (ground: Ground, signal: AbortSignal, t: TestContext) => Promise<void>,
): void {
  void test(title, { timeout: TIMEOUT_MS }, async (t) => {
    const ground = await open();
    const over = new AbortController();
    try {
      await body(ground, over.signal, t);
    } finally {
      over.abort();
      await ground.close();
    }
  });
}

/** Takes the next `count` of a watch, or those up to the first of which `enough` holds. */
export async function take<E>(watch: AsyncIterator<E>, until: number | ((event: E) => boolean)): Promise<readonly E[]> {
  const events: E[] = [];
  while (typeof until !== 'number' || events.length < until) {
    const { done, value } = await watch.next();
    if (done) break;
    events.push(value);
    if (typeof until === 'function' && until(value)) break;
  }
  return events;
}

export function iterate<E>(watch: AsyncIterable<E>): AsyncIterator<E> {
  return watch[Symbol.asyncIterator]();
}

export function isSynced(event: StateEvent<Note> | LogEvent<Note>): boolean {
  return event.type === 'synced';
}

/** An event in few words: `put a=1`, `delete a`, `synced`. */
export function brief(event: StateEvent<Note> | LogEvent<Note>): string {
  switch (event.type) {
    case 'put':
      return `put ${event.key}=${event.value.text}`;
    case 'delete':
      return `delete ${event.key}`;
    case 'entry':
      return `${event.sequence} ${event.value.text}`;
    case 'synced':
      return 'synced';
  }
}

/** How many of the promises were fulfilled, and with what code the others were refused. */
export async function outcomes(
  promises: readonly Promise<unknown>[],
): Promise<{ readonly fulfilled: number; readonly codes: readonly string[] }> {
  const settled = await Promise.allSettled(promises);
  const refused = settled.filter((one) => one.status === 'rejected');
  return {
    fulfilled: settled.length - refused.length,
    codes: refused.map(({ reason }) => (reason as { code?: string }).code ?? String(reason)),
  };
}
