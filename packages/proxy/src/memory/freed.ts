/**
 * Gives memory back while the proxy serves. What many connections needed at once (the state of their handshakes, what waited
 * to be sent) is freed with them, but the C library keeps it for later: after a few bursts the process is several times as
 * large as anything that it holds.
 */
import type { Cancel, Clock } from '../clock.ts';
import { freedMemoryTrim } from './pages.ts';
import { residentBytes as processBytes } from './usage.ts';

const LOOK_MS = 2000;
/** By so much the process may grow before it is looked whether that is in use: 6 ms for each 32 MiB that are not. */
const GROWTH_BYTES = 32 * 1024 * 1024;

export interface FreedMemoryOptions {
  readonly clock: Clock;
  readonly residentBytes?: () => number;
  /** Resolves to what gives freed memory back; undefined where that cannot be done. Called once, when it is needed first. */
  readonly findTrim?: () => Promise<(() => void) | undefined>;
}

export class FreedMemory {
  readonly #clock: Clock;
  readonly #residentBytes: () => number;
  readonly #findTrim: () => Promise<(() => void) | undefined>;
  #trim: (() => void) | undefined;
  /** The least that the process was since it was trimmed last. */
  #leastBytes: number;
  #cancel: Cancel | undefined;
  #isClosed = false;

  constructor({ clock, residentBytes = processBytes, findTrim = freedMemoryTrim }: FreedMemoryOptions) {
    this.#clock = clock;
    this.#residentBytes = residentBytes;
    this.#findTrim = findTrim;
    this.#leastBytes = residentBytes();
    this.#lookLater();
  }

  #lookLater(): void {
    this.#cancel = this.#clock.after(LOOK_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const bytes = this.#residentBytes();
    this.#leastBytes = Math.min(this.#leastBytes, bytes);
    if (bytes - this.#leastBytes >= GROWTH_BYTES) {
      this.#trim ??= await this.#findTrim();
      // It will not be possible later either.
      if (!this.#trim) return;
      this.#trim();
      this.#leastBytes = this.#residentBytes();
    }
    if (!this.#isClosed) this.#lookLater();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }
}
