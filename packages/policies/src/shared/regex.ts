/**
 * Regular expressions run in two engines: RE2 in Envoy, JavaScript's in Weft's proxy. Only the syntax that means the
 * same in both is allowed (https://github.com/google/re2/wiki/Syntax), and only programs that Envoy compiles: by default
 * it refuses those of more than 100 instructions.
 */

/** Envoy's default for `re2.max_program_size.error_level`. */
export const MAX_PROGRAM_SIZE = 100;
const MAX_LENGTH = 1024;
const MAX_REPEAT = 1000;
const MAX_DEPTH = 50;
/** What a program has beside its expression: begin, match, fail. */
const FRAME = 4;

class RegexError extends Error {
  override readonly name = 'RegexError';
}

/** What a class shorthand takes, in ranges of bytes. */
const SHORTHANDS: Readonly<Record<string, number>> = { d: 1, D: 2, w: 4, W: 5, s: 3, S: 4 };
const CONTROLS = new Set(['t', 'n', 'r', 'f', 'v']);
const PUNCTUATION = /^[!-/:-@[-^`{-~]$/;
/** What escapes of the one engine or the other would mean. */
const FOREIGN_ESCAPES: readonly (readonly [RegExp, string])[] = [
  [/^[1-9]$/, 'back-references'],
  [/^[kg]$/, 'back-references'],
  [/^[pP]$/, 'Unicode classes'],
  [/^[AzZGQECRX]$/, 'that escape'],
];

/** A pattern as it is read; each method gives how many instructions its part compiles to, at most. */
class Reader {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): number {
    const size = this.#alternatives();
    if (this.#at < this.#text.length) this.#fail('has a ")" without a "("');
    return size + FRAME;
  }

  #fail(what: string): never {
    throw new RegexError(`${what} at position ${this.#at}`);
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(): number {
    let size = this.#sequence();
    while (this.#take('|')) size += this.#sequence() + 1;
    return size;
  }

  #sequence(): number {
    let size = 0;
    while (this.#at < this.#text.length && this.#peek() !== '|' && this.#peek() !== ')') size += this.#repeated();
    return size;
  }

  #repeated(): number {
    const start = this.#at;
    const size = this.#atom();
    const anchor = /^(?:\^|\$|\\b|\\B)$/i.test(this.#text.slice(start, this.#at));
    const times = this.#quantifier();
    if (!times) return size;
    if (anchor) this.#fail('repeats an anchor');
    if (this.#take('+')) this.#fail('has a possessive quantifier, which RE2 does not have,');
    this.#take('?');
    if (/^[*+?{]/.test(this.#peek())) this.#fail('repeats a repetition');
    const { min, max } = times;
    // An unbounded repetition loops; a bounded one is written out.
    return max === Number.POSITIVE_INFINITY ? size * Math.max(min, 1) + 2 : size * min + (size + 1) * (max - min);
  }

  #quantifier(): { readonly min: number; readonly max: number } | undefined {
    if (this.#take('*')) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#take('+')) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#take('?')) return { min: 0, max: 1 };
    if (this.#peek() !== '{') return undefined;
    const match = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#text.slice(this.#at));
    if (!match) this.#fail('has a "{" that begins no repetition; write "\\{" for the character');
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
    if (min > max) this.#fail('has a repetition whose least is more than its most');
    if (min > MAX_REPEAT || (max > MAX_REPEAT && Number.isFinite(max))) {
      this.#fail(`has a repetition of more than ${MAX_REPEAT}`);
    }
    this.#at += match[0].length;
    return { min, max };
  }

  #atom(): number {
    const character = this.#peek();
    if (character === '(') return this.#group();
    if (character === '[') return this.#class();
    if (character === '\\') return this.#escape();
    if (/^[*+?]$/.test(character)) this.#fail(`has a "${character}" with nothing to repeat`);
    if (/^[{}\]]$/.test(character)) this.#fail(`has a "${character}"; write "\\${character}" for the character`);
    if (!/^[ -~]$/.test(character)) this.#fail('has a character that is not printable ASCII');
    this.#at++;
    return character === '.' ? 3 : 1;
  }

  #group(): number {
    if (++this.#depth > MAX_DEPTH) this.#fail(`has groups nested more than ${MAX_DEPTH} deep`);
    this.#at++;
    let captures = 2;
    if (this.#take('?')) {
      if (this.#take('=') || this.#take('!') || this.#take('<=') || this.#take('<!')) {
        this.#fail('looks around, which RE2 does not do,');
      }
      if (!this.#take(':')) this.#fail('has a group of a kind that RE2 and JavaScript do not share, after "(?"');
      captures = 0;
    }
    const size = this.#alternatives();
    if (!this.#take(')')) this.#fail('has a "(" without a ")"');
    this.#depth--;
    return size + captures;
  }

  #escape(): number {
    this.#at++;
    const letter = this.#peek();
    const foreign = FOREIGN_ESCAPES.find(([pattern]) => pattern.test(letter));
    if (foreign) this.#fail(`has "\\${letter}": RE2 and JavaScript do not share ${foreign[1]}`);
    const code = /^x([0-7][0-9a-fA-F])/.exec(this.#text.slice(this.#at));
    if (code) {
      this.#at += code[0].length;
      return 1;
    }
    const known =
      letter in SHORTHANDS || CONTROLS.has(letter) || letter === 'b' || letter === 'B' || PUNCTUATION.test(letter);
    if (!known) this.#fail(letter === '' ? 'ends in a "\\"' : `has the unknown escape "\\${letter}"`);
    this.#at++;
    return (SHORTHANDS[letter] ?? 0) + 1;
  }

  #class(): number {
    this.#at++;
    const negated = this.#take('^');
    let ranges = 0;
    for (let first = true; this.#peek() !== ']'; first = false) {
      if (this.#at >= this.#text.length) this.#fail('has a "[" without a "]"');
      ranges += this.#classItem(first);
    }
    if (ranges === 0) this.#fail('has an empty "[]"');
    this.#at++;
    return ranges + (negated ? 2 : 1);
  }

  #classItem(first: boolean): number {
    const from = this.#classCharacter(first);
    const isRange = this.#peek() === '-' && this.#text.charAt(this.#at + 1) !== ']';
    if (!isRange) return from.ranges;
    this.#at++;
    const to = this.#classCharacter(false);
    if (from.code === undefined || to.code === undefined) this.#fail('has a range that ends in a class');
    if (from.code > to.code) this.#fail('has a range whose ends are the wrong way round');
    return 1;
  }

  /** One character of a class, by its code; or a shorthand, without one. */
  #classCharacter(first: boolean): { readonly code: number | undefined; readonly ranges: number } {
    const character = this.#peek();
    if (character === '\\') {
      const letter = this.#text.charAt(this.#at + 1);
      if (letter === 'b' || letter === 'B') this.#fail('has a "\\b" in a class');
      const start = this.#at;
      this.#escape();
      const ranges = SHORTHANDS[letter];
      if (ranges !== undefined) return { code: undefined, ranges };
      const written = this.#text.slice(start + 1, this.#at);
      const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13 };
      const code =
        written.length === 3 ? Number.parseInt(written.slice(1), 16) : (controls[written] ?? written.charCodeAt(0));
      return { code, ranges: 1 };
    }
    if (character === '[') this.#fail('has a "[" in a class; write "\\[" for the character');
    const last = this.#text.charAt(this.#at + 1) === ']';
    if (character === '-' && !first && !last)
      this.#fail('has a "-" in the middle of a class; write "\\-" for the character');
    if (!/^[ -~]$/.test(character)) this.#fail('has a character that is not printable ASCII');
    this.#at++;
    return { code: character.charCodeAt(0), ranges: 1 };
  }
}

/** How many instructions a pattern compiles to at most; throws when it is not one that both engines share. */
export function programSize(pattern: string): number {
  return new Reader(pattern).whole();
}

/** What keeps a pattern from being used, in words that follow its name; undefined when nothing does. */
export function regexTrouble(pattern: string): string | undefined {
  if (pattern.length > MAX_LENGTH) return `has ${pattern.length} characters, expected at most ${MAX_LENGTH}`;
  let size: number;
  try {
    size = programSize(pattern);
    new RegExp(`^(?:${pattern})$`);
  } catch (thrown) {
    if (thrown instanceof RegexError) return `is a regular expression that ${thrown.message}`;
    if (thrown instanceof SyntaxError) return `is not a regular expression: ${thrown.message}`;
    throw thrown;
  }
  if (size <= MAX_PROGRAM_SIZE) return undefined;
  return `is too long a regular expression: it compiles to ${size} instructions, expected at most ${MAX_PROGRAM_SIZE}`;
}
