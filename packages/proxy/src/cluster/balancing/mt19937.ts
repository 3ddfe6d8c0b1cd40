/**
 * The Mersenne Twister of 32 bits (M. Matsumoto and T. Nishimura, 1998): where a key goes whose host is overloaded is
 * random to the eye, the same for the same key, and what Envoy would choose.
 */
const SIZE = 624;
const MIDDLE = 397;

export class MersenneTwister {
  readonly #state = new Uint32Array(SIZE);
  #next = SIZE;

  /** `seed`: 32 bits. */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const before = state[i - 1] as number;
      state[i] = Math.imul(1_812_433_253, before ^ (before >>> 30)) + i;
    }
  }

  /** 32 bits, unsigned. */
  next(): number {
    if (this.#next === SIZE) this.#generate();
    let value = this.#state[this.#next++] as number;
    value ^= value >>> 11;
    value ^= (value << 7) & 0x9d2c5680;
    value ^= (value << 15) & 0xefc60000;
    return (value ^ (value >>> 18)) >>> 0;
  }

  /** A number from 0 up to, but not including, `bound`. */
  below(bound: number): number {
    const bucket = Math.floor(0x1_0000_0000 / bound);
    for (;;) {
      const value = Math.floor(this.next() / bucket);
      if (value < bound) return value;
    }
  }

  #generate(): void {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const joined = ((state[i] as number) & 0x8000_0000) | ((state[(i + 1) % SIZE] as number) & 0x7fff_ffff);
      const mixed = (joined >>> 1) ^ (joined & 1 ? 0x9908_b0df : 0);
      state[i] = (state[(i + MIDDLE) % SIZE] as number) ^ mixed;
    }
    this.#next = 0;
  }
}
