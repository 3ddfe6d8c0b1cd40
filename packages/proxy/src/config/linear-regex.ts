/**
 * Regular expressions of RE2 in a form that V8 can match in time that grows with the text alone. Its machine for that
 * takes neither the flag `i` nor repetitions that are counted beyond 16: letters are written in both cases, and
 * repetitions as often as they may be there.
 */

/** What an expression may come to; RE2 has a bound of that kind, too. */
const MAX_SOURCE = 16_384;
/** RE2's own bound. */
const MAX_REPEAT = 1000;

/** A piece of an expression that can be repeated. */
interface Atom {
  readonly source: string;
  readonly hasCapture: boolean;
}

export interface LinearOptions {
  /** Groups need not be told apart: nothing asks what they held. */
  readonly dropsCaptures: boolean;
  readonly ignoresCase: boolean;
}

/** A sentence about why an expression cannot be written so. */
export class NotLinear extends Error {}

const LETTER = /^[a-zA-Z]$/;
const other = (letter: string): string =>
  letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase();

/** The part of the letters from `first` to `last` that lies between two codes, in the other case; '' where none does. */
function otherCase(from: number, to: number, first: number, last: number): string {
  const low = Math.max(from, first);
  const high = Math.min(to, last);
  if (low > high) return '';
  const shift = first === 65 ? 32 : -32;
  return `${String.fromCharCode(low + shift)}-${String.fromCharCode(high + shift)}`;
}

class Translation {
  readonly #text: string;
  readonly #dropsCaptures: boolean;
  #ignoresCase: boolean;
  #at = 0;

  constructor(text: string, { dropsCaptures, ignoresCase }: LinearOptions) {
    this.#text = text;
    this.#dropsCaptures = dropsCaptures;
    this.#ignoresCase = ignoresCase;
  }

  whole(): string {
    const { source } = this.#alternatives();
    if (this.#at < this.#text.length) throw new NotLinear('has a parenthesis that nothing opens');
    return source;
  }

  #alternatives(): Atom {
    let source = '';
    let hasCapture = false;
    while (this.#at < this.#text.length && this.#text[this.#at] !== ')') {
      if (this.#text[this.#at] === '|') {
        source += '|';
        this.#at++;
        continue;
      }
      const piece = this.#repeated(this.#atom());
      source += piece.source;
      hasCapture ||= piece.hasCapture;
      if (source.length > MAX_SOURCE) throw new NotLinear('repeats too much');
    }
    return { source, hasCapture };
  }

  #atom(): Atom {
    const character = this.#text[this.#at++] as string;
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return { source: this.#set(), hasCapture: false };
      case '\\':
        return { source: this.#escape(), hasCapture: false };
      default:
        return { source: this.#cased(character), hasCapture: false };
    }
  }

  #cased(character: string): string {
    return this.#ignoresCase && LETTER.test(character) ? `[${character}${other(character)}]` : character;
  }

  /** After a backslash: the escape as it is, or both cases of the letter that it stands for. */
  #escape(): string {
    const match = /x[0-9a-fA-F]{2}|./sy;
    match.lastIndex = this.#at;
    const [found = ''] = match.exec(this.#text) ?? [];
    this.#at += found.length;
    if (found === '') throw new NotLinear('ends with a backslash');
    const character = found.length === 3 ? String.fromCharCode(Number.parseInt(found.slice(1), 16)) : '';
    return this.#ignoresCase && LETTER.test(character) ? this.#cased(character) : `\\${found}`;
  }

  #group(): Atom {
    const match = /\?(?:P?<[A-Za-z_]\w*>|([im]*)(?:-([ims]+))?:)/y;
    match.lastIndex = this.#at;
    const [opening = '', on = '', off = ''] = match.exec(this.#text) ?? [];
    this.#at += opening.length;
    const before = this.#ignoresCase;
    if (on.includes('i')) this.#ignoresCase = true;
    if (off.includes('i')) this.#ignoresCase = false;
    if (/[ms]/.test(on + off)) throw new NotLinear('changes the flags m or s for a part of itself');
    const isCapture = opening === '' || opening.endsWith('>');
    const inner = this.#alternatives();
    this.#ignoresCase = before;
    if (this.#text[this.#at++] !== ')') throw new NotLinear('has a parenthesis that nothing closes');
    if (!isCapture || this.#dropsCaptures) return { source: `(?:${inner.source})`, hasCapture: inner.hasCapture };
    return { source: `(${opening.replace('?P<', '?<')}${inner.source})`, hasCapture: true };
  }

  /** A set of characters, as it is, with what lies in it in the other case added. */
  #set(): string {
    const match = /\^?\]?(?:\\.|[^\\\]])*\]/sy;
    match.lastIndex = this.#at;
    const [found] = match.exec(this.#text) ?? [];
    if (found === undefined) throw new NotLinear('has a bracket that nothing closes');
    this.#at += found.length;
    const isNegated = found.startsWith('^');
    // Here `]` is itself where it comes first.
    const inner = found.slice(isNegated ? 1 : 0, -1).replace(/^\]/, '\\]');
    const added = this.#ignoresCase ? addedCases(inner) : '';
    return `[${isNegated ? '^' : ''}${added}${inner}]`;
  }

  #repeated(atom: Atom): Atom {
    const match = /(?:[*+?]|\{(\d+)(,(\d*))?\})(\??)/y;
    match.lastIndex = this.#at;
    const [found = '', least, more, most = '', lazy = ''] = match.exec(this.#text) ?? [];
    this.#at += found.length;
    if (least === undefined) return { ...atom, source: atom.source + found };
    const low = Number(least);
    const high = more === undefined ? low : most === '' ? Number.POSITIVE_INFINITY : Number(most);
    if (low > high || low > MAX_REPEAT || (high > MAX_REPEAT && most !== '')) {
      throw new NotLinear(`repeats something ${found}, and ${MAX_REPEAT} times is the most`);
    }
    if (atom.hasCapture) return { ...atom, source: atom.source + found };
    const source = unrolled(atom.source, low, high, lazy);
    return { source: source === '' ? '(?:)' : `(?:${source})`, hasCapture: false };
  }
}

function unrolled(source: string, low: number, high: number, lazy: string): string {
  if (source.length * Math.max(low, high === Number.POSITIVE_INFINITY ? 1 : high) > MAX_SOURCE) {
    throw new NotLinear('repeats too much');
  }
  const must = source.repeat(low);
  if (high === Number.POSITIVE_INFINITY) return `${must}${source}*${lazy}`;
  const may = high - low;
  return `${must}${`(?:${source}`.repeat(may)}${`)?${lazy}`.repeat(may)}`;
}

/** What the members of a set are in the other case, as members of a set. */
function addedCases(inner: string): string {
  const member = /\\x([0-9a-fA-F]{2})|\\(.)|(.)/sy;
  let added = '';
  let before: number | undefined;
  let isRange = false;
  for (let match = member.exec(inner); match; match = member.exec(inner)) {
    const [, hex, escaped, plain] = match;
    if (plain === '-' && before !== undefined && !isRange && member.lastIndex < inner.length) {
      isRange = true;
      continue;
    }
    const isClass = escaped !== undefined && /[a-zA-Z]/.test(escaped);
    const code = hex === undefined ? (plain ?? escaped ?? '').charCodeAt(0) : Number.parseInt(hex, 16);
    if (!isClass) {
      const from = isRange ? (before ?? code) : code;
      added += otherCase(from, code, 65, 90) + otherCase(from, code, 97, 122);
    }
    before = isClass || isRange ? undefined : code;
    isRange = false;
  }
  return added;
}

/** The expression, already in JavaScript's syntax but for its groups, without what V8 cannot do in linear time. */
export function linearSource(text: string, options: LinearOptions): string {
  return new Translation(text, options).whole();
}
