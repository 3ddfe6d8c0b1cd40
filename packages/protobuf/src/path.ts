/** Where a codec is in a message: names, indexes and map keys, kept as a stack and put in words only when asked. */
export class Path {
  readonly #steps: (string | number)[] = [];

  enter(step: string | number): void {
    this.#steps.push(step);
  }

  leave(): void {
    this.#steps.pop();
  }

  /** Enters a key of a map, which is written `["key"]`. */
  enterKey(key: string): void {
    this.#steps.push(`[${JSON.stringify(key)}]`);
  }

  toString(): string {
    let text = '';
    for (const step of this.#steps) {
      if (typeof step === 'number') text += `[${step}]`;
      else if (step.startsWith('[') || text === '') text += step;
      else text += `.${step}`;
    }
    return text;
  }
}
