/** The lines between the chunks of a body (RFC 9112, 7.1), byte by byte: they may come in any pieces. */
import { HEX } from './characters.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

const CR = 13;
const LF = 10;
const TAB = 9;
const SPACE = 32;
const DELETE = 127;
const SEMICOLON = 59;
const MAX_DIGITS = 13;
/** What lines may cost beyond the bytes that they frame, before it is an attack. */
const MAX_OVERHEAD = 16_384;

/** What comes next: the CRLF that ends a chunk, the digits of the next one's size, what may follow them, or its bytes. */
type State = 'end-cr' | 'end-lf' | 'size' | 'blank' | 'extension' | 'line-end' | 'read';

export class ChunkLines {
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  #overhead = 0;

  /** Whether the line is read, and the chunk comes now. */
  get isRead(): boolean {
    return this.#state === 'read';
  }

  /** How many bytes the chunk has, once its line is read; 0: it is the last, and trailers follow. */
  get size(): number {
    return this.#size;
  }

  /** A body begins. */
  begin(): void {
    this.#overhead = 0;
    this.#beginLine();
  }

  /** All bytes of a chunk have come. */
  endChunk(): void {
    this.#state = 'end-cr';
  }

  #beginLine(): void {
    this.#state = 'size';
    this.#size = 0;
    this.#digits = 0;
  }

  /** Reads from `from` on to where the chunk begins, or as far as there is something; gives where it stopped. */
  read(bytes: Buffer, from: number): number | Violation {
    let at = from;
    while (at < bytes.length && this.#state !== 'read') {
      const violation = this.#take(bytes[at++] as number);
      if (violation) return violation;
    }
    return at;
  }

  #take(code: number): Violation | undefined {
    switch (this.#state) {
      case 'end-cr':
        if (code !== CR) return VIOLATIONS.chunkEnd;
        this.#state = 'end-lf';
        return undefined;
      case 'end-lf':
        if (code !== LF) return VIOLATIONS.chunkEnd;
        this.#beginLine();
        return undefined;
      case 'size':
        return this.#takeOfSize(code);
      case 'blank':
        // Blanks may stand before an extension, and nowhere else.
        if (code === SEMICOLON) this.#state = 'extension';
        else if ((code !== SPACE && code !== TAB) || ++this.#overhead > MAX_OVERHEAD) return VIOLATIONS.chunkSize;
        return undefined;
      case 'extension':
        return this.#takeOfExtension(code);
      case 'line-end':
        if (code !== LF) return VIOLATIONS.chunkSize;
        this.#overhead = Math.max(0, this.#overhead - 16 - 2 * this.#size);
        this.#state = 'read';
        return undefined;
      case 'read':
        return undefined;
    }
  }

  #takeOfSize(code: number): Violation | undefined {
    const digit = HEX[code] as number;
    if (digit !== 255) {
      if (++this.#digits > MAX_DIGITS) return VIOLATIONS.chunkSize;
      this.#size = this.#size * 16 + digit;
      return undefined;
    }
    if (this.#digits === 0) return VIOLATIONS.chunkSize;
    if (code === CR) this.#state = 'line-end';
    else if (code === SEMICOLON) this.#state = 'extension';
    else if (code === SPACE || code === TAB) this.#state = 'blank';
    else return VIOLATIONS.chunkSize;
    return undefined;
  }

  /** Extensions are checked and left out: nobody may act on them (RFC 9112, 7.1.1). */
  #takeOfExtension(code: number): Violation | undefined {
    if (code === CR) this.#state = 'line-end';
    else if ((code < SPACE && code !== TAB) || code === DELETE || ++this.#overhead > MAX_OVERHEAD) {
      return VIOLATIONS.chunkExtension;
    }
    return undefined;
  }
}
