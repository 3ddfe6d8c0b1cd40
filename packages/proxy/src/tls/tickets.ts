/**
 * Session tickets (RFC 5077; RFC 8446, 4.6.1): which keys they are made with, and for whom they are good. Each thread of the
 * process, and where keys are configured each process that has them, takes the tickets of the others, for contexts that
 * let in alike.
 */
import { hash, hkdfSync, randomBytes } from 'node:crypto';
import type { Server } from 'node:tls';
import { callNative, nativeContext } from './native-context.ts';

export interface Tickets {
  /** Tells contexts apart whose sessions are not each other's. */
  readonly context: string;
  /** As Node has them: a name, a key to sign and one to encrypt with, of 16 bytes each. New tickets are of the first. */
  readonly keys: readonly Buffer[];
}

const PART_BYTES = 16;
/** As many bytes as OpenSSL takes. */
const CONTEXT_CHARACTERS = 32;

/**
 * `identity`: all that decides whom a context lets in, and as whom it speaks. `secrets`: what keys are made of: nobody has
 * to know that two contexts were given the same ones.
 */
export function makeTickets(identity: unknown, secrets: readonly Uint8Array[]): Tickets {
  const digest = hash('sha256', JSON.stringify(identity));
  const keys = secrets.map((secret) =>
    Buffer.from(hkdfSync('sha256', secret, '', `weft session tickets ${digest}`, 3 * PART_BYTES)),
  );
  return { context: digest.slice(0, CONTEXT_CHARACTERS), keys };
}

/** What OpenSSL is told: of a ticket to make, its key; of one that came, also whether to make a new one in its place. */
const UNKNOWN = 0;
const TAKEN = 1;
const RENEWED = 2;

type KeyAnswer = readonly [verdict: number, sign: Buffer, encrypt: Buffer, name: Buffer, vector: Buffer];

function answer(verdict: number, key: Buffer): KeyAnswer {
  const [name, sign, encrypt] = [0, 1, 2].map((part) => key.subarray(part * PART_BYTES, (part + 1) * PART_BYTES));
  return [verdict, sign as Buffer, encrypt as Buffer, name as Buffer, randomBytes(PART_BYTES)];
}

/** Which key a ticket is made with (`isNew`), or was made with, by the name in it. */
export function answerFor(keys: readonly Buffer[], name: Buffer, isNew: boolean): KeyAnswer {
  const newest = keys[0] ?? Buffer.alloc(3 * PART_BYTES);
  if (isNew) return answer(TAKEN, newest);
  const index = keys.findIndex((key) => key.subarray(0, PART_BYTES).equals(name));
  return answer(index === -1 ? UNKNOWN : index === 0 ? TAKEN : RENEWED, keys[index] ?? newest);
}

/**
 * Has a server take tickets of several keys. Node has one key for a server by a public name, and several by a callback that
 * its own tests use; without it tickets of older keys are not taken, and their clients make full handshakes.
 */
export function takeTickets(server: Server, keys: readonly Buffer[]): void {
  const context = nativeContext(server);
  if (!context) return;
  Reflect.set(context, 'onticketkeycallback', (name: Buffer, _vector: Buffer, isNew: boolean) =>
    answerFor(keys, name, isNew),
  );
  callNative(context, 'enableTicketKeyCallback');
}
