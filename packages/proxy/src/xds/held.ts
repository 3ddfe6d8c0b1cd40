/** What is known of one resource, and who wants to know. */
import type { Cancel } from '../clock.ts';
import type { ResourceListener } from './subscriptions.ts';

export type Knowledge =
  /** The source has not said anything of it, or nothing that could be used. */
  | { readonly type: 'unknown' }
  | {
      readonly type: 'present';
      readonly version: string;
      readonly resource: unknown;
      /** Of its bytes, where the server says again what it said before. */
      readonly digest: string | undefined;
    }
  /** The source has said that there is none. */
  | { readonly type: 'absent' };

const UNKNOWN: Knowledge = { type: 'unknown' };
export const ABSENT: Knowledge = { type: 'absent' };

export class Held {
  readonly name: string;
  readonly watchers = new Set<ResourceListener>();
  knowledge: Knowledge = UNKNOWN;
  #cancelExpiry: Cancel | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** What ends the wait for the end of the resource's life; none while it lives until it is removed. */
  set expiry(cancel: Cancel | undefined) {
    this.#cancelExpiry?.();
    this.#cancelExpiry = cancel;
  }

  get hasExpiry(): boolean {
    return this.#cancelExpiry !== undefined;
  }
}
