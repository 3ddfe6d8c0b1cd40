/**
 * The streams of a connection by their numbers. Numbers only ever grow, and streams come and go by the thousand: a `Map`
 * keeps a place for each that went, and is built anew every few dozen streams. This table is written in place.
 */

const FIRST_SLOTS = 16;
/** What is larger was for a burst. */
const MAX_KEPT_SLOTS = 1024;

interface Numbered {
  /** Odd, or even, of all streams of a connection; changed only while the stream is not in the table. */
  id: number;
}

function emptySlots(count: number): undefined[] {
  return new Array<undefined>(count).fill(undefined);
}

export class StreamTable<S extends Numbered> {
  /** A power of two; a stream stands where its number points, or in the next place that was free. */
  #slots: (S | undefined)[] = emptySlots(FIRST_SLOTS);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = (id >>> 1) & mask; ; at = (at + 1) & mask) {
      const stream = slots[at];
      if (stream === undefined || stream.id === id) return stream;
    }
  }

  has(id: number): boolean {
    return this.get(id) !== undefined;
  }

  /** Adds a stream whose number is not in the table. */
  add(stream: S): void {
    if (this.#size * 2 >= this.#slots.length) this.#grow();
    this.#size++;
    this.#place(stream);
  }

  #place(stream: S): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = (stream.id >>> 1) & mask;
    while (slots[at] !== undefined) at = (at + 1) & mask;
    slots[at] = stream;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = emptySlots(before.length * 2);
    for (const stream of before) if (stream) this.#place(stream);
  }

  /** Takes the stream of that number out; those behind it that were in its way move up. */
  delete(id: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let gap = (id >>> 1) & mask;
    for (; slots[gap]?.id !== id; gap = (gap + 1) & mask) if (slots[gap] === undefined) return;
    this.#size--;
    for (let at = (gap + 1) & mask; ; at = (at + 1) & mask) {
      const next = slots[at];
      if (next === undefined) break;
      const home = (next.id >>> 1) & mask;
      // It may stand in the gap if that is not before the place that its number points to.
      if (((at - home) & mask) < ((at - gap) & mask)) continue;
      slots[gap] = next;
      gap = at;
    }
    slots[gap] = undefined;
    if (this.#size === 0 && slots.length > MAX_KEPT_SLOTS) this.#slots = emptySlots(FIRST_SLOTS);
  }

  /** All of them, as they are now, in the order of their numbers. */
  all(): readonly S[] {
    return this.#slots.filter((stream) => stream !== undefined).sort((a, b) => a.id - b.id);
  }
}
