/** What was made of the same inputs before, by the inputs' identity. */
export class Memo<V> {
  readonly #entries = new Map<string, { readonly inputs: readonly unknown[]; readonly value: V; round: number }>();
  #round = 0;

  /** What stands under a key, made anew when an input is another than before; `make` is given what stood there. */
  get(key: string, inputs: readonly unknown[], make: (before: V | undefined) => V): V {
    const before = this.#entries.get(key);
    if (before && inputs.length === before.inputs.length && inputs.every((input, i) => input === before.inputs[i])) {
      before.round = this.#round;
      return before.value;
    }
    const value = make(before?.value);
    this.#entries.set(key, { inputs, value, round: this.#round });
    return value;
  }

  *values(): Generator<V> {
    for (const { value } of this.#entries.values()) yield value;
  }

  /** Forgets what was not asked for since the last sweep. */
  sweep(): void {
    for (const [key, { round }] of this.#entries) {
      if (round < this.#round) this.#entries.delete(key);
    }
    this.#round++;
  }
}
