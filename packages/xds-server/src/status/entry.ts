/** One entry of a state that this instance owns: the newest value is written, one write at a time, not too often. */
import { isDeepStrictEqual } from 'node:util';
import type { State } from '@weft/bus';
import { toWeftError } from '@weft/contracts/error';

export interface OwnedEntryOptions<T> {
  readonly state: Pick<State<T>, 'put' | 'delete'>;
  readonly key: string;
  /** The least time between two writes that are not urgent. */
  readonly pauseMs: number;
  readonly now: () => number;
  readonly onTrouble: (key: string, error: unknown) => void;
}

/** What is to stand under the key: a value, nothing, or whatever stands there, which is somebody else's. */
type Wanted<T> =
  | { readonly type: 'value'; readonly value: T; readonly own: boolean }
  | { readonly type: 'deleted' }
  | { readonly type: 'anything' };

export class OwnedEntry<T> {
  readonly #options: OwnedEntryOptions<T>;
  #wanted: Wanted<T> = { type: 'anything' };
  #isUrgent = false;
  #written: { readonly value: T | undefined; readonly revision: number } | undefined;
  #writtenAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;

  constructor(options: OwnedEntryOptions<T>) {
    this.#options = options;
  }

  /** Has a value written, over whatever stands there, or with `own: false` only over what this instance wrote. */
  put(value: T, urgency: 'now' | 'gather', { own = true }: { readonly own?: boolean } = {}): void {
    if (!this.#writing && this.#written && isDeepStrictEqual(this.#written.value, value)) {
      this.#wanted = { type: 'anything' };
      return;
    }
    this.#wanted = { type: 'value', value, own };
    if (urgency === 'now') this.#isUrgent = true;
    this.#schedule();
  }

  /** Has the entry deleted if it is still as this instance wrote it. */
  delete(): void {
    this.#wanted = this.#written || this.#writing ? { type: 'deleted' } : { type: 'anything' };
    this.#isUrgent = true;
    this.#schedule();
  }

  /** Writes what is still to be written, once; nothing more after that. */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    clearTimeout(this.#timer);
    await this.#write();
    this.#wanted = { type: 'anything' };
  }

  #schedule(): void {
    if (this.#writing) return; // The write that runs looks again when it is done.
    clearTimeout(this.#timer);
    const { pauseMs, now } = this.#options;
    const inMs = this.#isUrgent ? 0 : this.#writtenAtMs + pauseMs - now();
    this.#timer = setTimeout(
      () => {
        this.#writing ??= this.#write().finally(() => {
          this.#writing = undefined;
          if (this.#wanted.type !== 'anything') this.#schedule();
        });
      },
      Math.max(inMs, 0),
    );
  }

  async #write(): Promise<void> {
    const wanted = this.#wanted;
    const { state, key, now, onTrouble } = this.#options;
    this.#wanted = { type: 'anything' };
    this.#isUrgent = false;
    if (wanted.type === 'anything' || (wanted.type === 'deleted' && !this.#written)) return;
    this.#writtenAtMs = now();
    // Nothing of this instance's stands there: then nothing at all may.
    const expected = { expectedRevision: this.#written?.revision ?? 0 };
    try {
      if (wanted.type === 'deleted') {
        await state.delete(key, expected);
        this.#written = undefined;
      } else {
        const revision = await state.put(key, wanted.value, wanted.own ? {} : expected);
        this.#written = { value: wanted.value, revision };
      }
    } catch (thrown) {
      this.#failed(wanted, toWeftError(thrown).code === 'ABORTED');
      if (toWeftError(thrown).code !== 'ABORTED') onTrouble(key, thrown);
    }
  }

  #failed(wanted: Wanted<T>, isTaken: boolean): void {
    // Somebody else has written it since: it is theirs.
    if (isTaken) this.#written = undefined;
    else if (this.#wanted.type === 'anything') this.#wanted = wanted;
  }
}
