/** Names that a client is going to ask for, since it was sent what refers to them. */
export class Awaited {
  readonly #since = new Map<string, number>();

  expect(name: string, nowMs: number): void {
    if (!this.#since.has(name)) this.#since.set(name, nowMs);
  }

  arrived(names: Iterable<string>): void {
    if (this.#since.size === 0) return;
    for (const name of names) this.#since.delete(name);
  }

  /** Gives up those that were expected before that time. */
  forget(beforeMs: number): void {
    for (const [name, sinceMs] of this.#since) {
      if (sinceMs > beforeMs) return;
      this.#since.delete(name);
    }
  }

  /** Expects no more what is not there any more. */
  retain(isThere: (name: string) => boolean): void {
    for (const name of this.#since.keys()) if (!isThere(name)) this.#since.delete(name);
  }

  /** When the one that was expected first was; undefined when none is. */
  get sinceMs(): number | undefined {
    return this.#since.values().next().value;
  }
}
