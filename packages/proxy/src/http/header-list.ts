/**
 * Header fields of one message, in order, as one flat list: name, value, name, value. Names are in lower case; values
 * hold one character for each byte (latin1), so that what arrives leaves unchanged.
 */
export class HeaderList {
  /** Names at even places, values at odd ones. */
  readonly flat: string[];
  /** Names of fields that came with the word that no table may keep them, on any hop (RFC 7541, 6.2.3). */
  secret: readonly string[] | undefined = undefined;

  constructor(flat: string[] = []) {
    this.flat = flat;
  }

  /** How many fields there are. */
  get size(): number {
    return this.flat.length >>> 1;
  }

  /** The value of the first field of that name. */
  get(name: string): string | undefined {
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1];
    return undefined;
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  /** The values of all fields of that name, as one list with commas (RFC 9110, 5.3); undefined where there is none. */
  joined(name: string): string | undefined {
    const flat = this.flat;
    let value: string | undefined;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] === name) value = value === undefined ? flat[i + 1] : `${value},${flat[i + 1]}`;
    }
    return value;
  }

  add(name: string, value: string): void {
    this.flat.push(name, value);
  }

  /** Gives the first field of that name the value, and removes the others; adds one where there is none. */
  set(name: string, value: string): void {
    const flat = this.flat;
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue;
      flat[i + 1] = value;
      this.#removeFrom(name, i + 2);
      return;
    }
    flat.push(name, value);
  }

  /** Removes every field of that name. */
  remove(name: string): void {
    this.#removeFrom(name, 0);
  }

  #removeFrom(name: string, from: number): void {
    const flat = this.flat;
    let i = from;
    while (i < flat.length && flat[i] !== name) i += 2;
    if (i >= flat.length) return;
    let kept = i;
    for (; i < flat.length; i += 2) {
      if (flat[i] === name) continue;
      flat[kept] = flat[i] as string;
      flat[kept + 1] = flat[i + 1] as string;
      kept += 2;
    }
    flat.length = kept;
  }

  /** Removes every field that `drop` names. */
  removeWhere(drop: (name: string) => boolean): void {
    const flat = this.flat;
    let kept = 0;
    for (let i = 0; i < flat.length; i += 2) {
      const name = flat[i] as string;
      if (drop(name)) continue;
      flat[kept] = name;
      flat[kept + 1] = flat[i + 1] as string;
      kept += 2;
    }
    flat.length = kept;
  }

  clone(): HeaderList {
    const copy = new HeaderList(this.flat.slice());
    copy.secret = this.secret;
    return copy;
  }
}
