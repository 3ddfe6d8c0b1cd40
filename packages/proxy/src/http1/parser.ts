/**
 * The parser of HTTP/1.1 messages (RFC 9112). It takes bytes as they come, in any pieces, and tells heads, body and end
 * of each message. Nothing is guessed: what could be read in two ways is a {@link Violation}, and the parser stops.
 */
import { ChunkLines } from './chunk-lines.ts';
import { Framing, readFields } from './fields.ts';
import { VIOLATIONS, type Violation } from './violation.ts';

export interface ParserLimits {
  /** Bytes of a head, and of a trailer section. */
  readonly maxHeadBytes: number;
  readonly maxFields: number;
}

/** What the owner of a parser is told. */
export interface ParserEvents {
  /**
   * Reads the head, and says what body follows: its bytes, `chunked`, `until-close`, `tunnel` for bytes that are no HTTP
   * any more, `on-hold` where it is not known yet whether they are, or `informational` where another head follows.
   */
  readHead(text: string, framing: Framing): number | BodyKind | Violation;
  onBody(chunk: Buffer): void;
  /**
   * The message is complete. The parser then waits for {@link Parser.next}. `rest`: bytes that came after it, which are
   * no part of it.
   */
  onEnd(trailers: string[] | undefined, rest: number): void;
  onViolation(violation: Violation): void;
}

export type BodyKind = 'chunked' | 'until-close' | 'tunnel' | 'on-hold' | 'informational';

type State = 'head' | 'length' | 'chunk-line' | 'chunk-bytes' | 'trailers' | 'raw' | 'waiting' | 'broken';

const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);
const CR = 13;
const LF = 10;
const MAX_EMPTY_LINES = 16;
/** Chunks that are smaller than this are told of together, as far as they come in one read. */
const SMALL_CHUNK_BYTES = 4096;

export class Parser {
  readonly #events: ParserEvents;
  readonly #limits: ParserLimits;
  /** Looks at a head of which little is there; undefined: it is well so far. */
  readonly #checkStart: ((bytes: Buffer, start: number) => Violation | undefined) | undefined;
  readonly #framing = new Framing();
  #state: State = 'head';
  readonly #lines = new ChunkLines();
  /** Whether the bytes that are read belong to whoever read them once this turn is over. */
  #isLent = false;
  /** Bytes that could not be used yet: of an incomplete head, or of a message whose turn has not come. */
  #held: Buffer = NOTHING;
  /** How many of the held bytes were searched for the end of the head. */
  #searched = 0;
  #emptyLines = 0;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left = 0;
  #untilClose = false;
  #following = 0;
  /** Small chunks of the bytes that are read: they were moved together there, and nobody was told of them yet. */
  #gatheredAt = 0;
  #gatheredEnd = 0;

  constructor(
    events: ParserEvents,
    limits: ParserLimits,
    checkStart?: (bytes: Buffer, start: number) => Violation | undefined,
  ) {
    this.#events = events;
    this.#limits = limits;
    this.#checkStart = checkStart;
  }

  /** How many bytes are held back. */
  get heldBytes(): number {
    return this.#held.length;
  }

  /** Whether no byte of the next message has come. */
  get isBetweenMessages(): boolean {
    return this.#held.length === 0 && (this.#state === 'head' || this.#state === 'waiting');
  }

  /** While a head is read: how many bytes after it are here already. */
  get following(): number {
    return this.#following;
  }

  /**
   * Reads bytes, as far as the state allows; the rest is held. The buffer is the parser's to write to. `isLent`: it is so only
   * until this returns, so that what is held or told of is copied.
   */
  push(chunk: Buffer, isLent = false): void {
    this.#isLent = isLent;
    if (this.#state === 'waiting' || this.#state === 'broken') {
      if (this.#state === 'waiting') this.#hold(chunk);
      return;
    }
    if (this.#held.length === 0) {
      this.#run(chunk);
      return;
    }
    const bytes = Buffer.concat([this.#held, chunk]);
    this.#held = NOTHING;
    this.#isLent = false;
    this.#run(bytes);
  }

  /** Begins the next message with what is held. */
  next(): void {
    if (this.#state !== 'waiting') return;
    this.#state = 'head';
    this.#emptyLines = 0;
    this.#searched = 0;
    if (this.#held.length === 0) return;
    const bytes = this.#held;
    this.#held = NOTHING;
    this.#isLent = false;
    this.#run(bytes);
  }

  /** Nothing more is read. */
  stop(): void {
    this.#state = 'broken';
    this.#held = NOTHING;
    this.#gatheredEnd = this.#gatheredAt;
  }

  /** Makes everything from here on the bytes of a tunnel, what was held first. */
  tunnel(): void {
    this.#state = 'raw';
    if (this.#held.length === 0) return;
    const bytes = this.#held;
    this.#held = NOTHING;
    this.#events.onBody(bytes);
  }

  /** The far side sends no more: true where that is a proper end of what is being read. */
  finish(): boolean {
    if (this.#state === 'raw') {
      this.#state = 'waiting';
      if (this.#untilClose) this.#events.onEnd(undefined, 0);
      return true;
    }
    return this.isBetweenMessages;
  }

  /** Whether an event's receiver stopped the parser. */
  #isBroken(): boolean {
    return this.#state === 'broken';
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? this.#own(bytes, 0, bytes.length) : Buffer.concat([this.#held, bytes]);
  }

  /** A part of the bytes that are read, which may be kept. */
  #own(bytes: Buffer, from: number, to: number): Buffer {
    if (this.#isLent) return Buffer.from(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to));
    return from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to);
  }

  #run(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length && this.#state !== 'waiting' && this.#state !== 'broken') {
      at = this.#step(bytes, at);
    }
    this.#tellGathered(bytes);
    if (this.#state === 'waiting' && at < bytes.length) this.#hold(bytes.subarray(at));
  }

  /** Reads one piece of the message from `at` and gives where the next one starts. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'head':
        return this.#readHead(bytes, at);
      case 'length':
      case 'chunk-bytes':
        return this.#readLength(bytes, at);
      case 'chunk-line':
        return this.#readChunkLine(bytes, at);
      case 'trailers':
        return this.#readTrailers(bytes, at);
      case 'raw':
        this.#events.onBody(this.#own(bytes, at, bytes.length));
        return bytes.length;
      case 'waiting':
      case 'broken':
        return at;
    }
  }

  #fail(violation: Violation, bytes: Buffer): number {
    this.#tellGathered(bytes);
    if (this.#isBroken()) return bytes.length;
    this.#state = 'broken';
    this.#events.onViolation(violation);
    return bytes.length;
  }

  #end(trailers: string[] | undefined, rest: number): void {
    if (this.#isBroken()) return;
    this.#state = 'waiting';
    this.#events.onEnd(trailers, rest);
  }

  #readHead(bytes: Buffer, from: number): number {
    let start = from;
    while (this.#checkStart && bytes[start] === CR && bytes[start + 1] === LF) {
      if (++this.#emptyLines > MAX_EMPTY_LINES) return this.#fail(VIOLATIONS.emptyLines, bytes);
      start += 2;
      this.#searched = 0;
    }
    const end = bytes.indexOf(HEAD_END, start + Math.max(0, this.#searched - 3));
    const size = (end === -1 ? bytes.length : end + 4) - start;
    if (end === -1 || size > this.#limits.maxHeadBytes) {
      const limit = start + Math.min(size, this.#limits.maxHeadBytes);
      const violation = this.#checkFirst(bytes, start, limit) ?? this.#checkPart(bytes, start, limit);
      if (violation) return this.#fail(violation, bytes);
      if (size > this.#limits.maxHeadBytes) return this.#fail(VIOLATIONS.headTooLarge, bytes);
      this.#held = this.#own(bytes, start, bytes.length);
      this.#searched = this.#held.length;
      return bytes.length;
    }
    this.#framing.reset();
    this.#searched = 0;
    this.#following = bytes.length - end - 4;
    const body = this.#events.readHead(bytes.toString('latin1', start, end + 2), this.#framing);
    if (typeof body === 'object') return this.#fail(body, bytes);
    if (this.#isBroken()) return bytes.length;
    this.#beginBody(body, this.#following);
    return end + 4;
  }

  /** Whether the first bytes of a head can become a good one. */
  #checkFirst(bytes: Buffer, start: number, end: number): Violation | undefined {
    const isLineEnd = bytes[start] === CR && start + 1 === end;
    return start === end || isLineEnd || this.#searched >= 64 ? undefined : this.#checkStart?.(bytes, start);
  }

  /** Whether a part of a head, of which the first `#searched` bytes were looked at before, can become a good one. */
  #checkPart(bytes: Buffer, start: number, end: number): Violation | undefined {
    for (let at = start + Math.max(0, this.#searched - 1); at < end; at++) {
      const code = bytes[at] as number;
      if (code > CR) continue;
      if (code === LF && bytes[at - 1] !== CR) return VIOLATIONS.bareLineFeed;
      if (code === CR && at + 1 < bytes.length && bytes[at + 1] !== LF) return VIOLATIONS.bareCarriageReturn;
      if (code === 0) return VIOLATIONS.nulByte;
    }
    return undefined;
  }

  #beginBody(body: number | BodyKind, rest: number): void {
    this.#untilClose = false;
    if (typeof body === 'number') {
      this.#left = body;
      if (body === 0) this.#end(undefined, rest);
      else this.#state = 'length';
    } else if (body === 'chunked') {
      this.#lines.begin();
      this.#state = 'chunk-line';
    } else if (body === 'on-hold') this.#state = 'waiting';
    else if (body !== 'informational') {
      this.#untilClose = body === 'until-close';
      this.#state = 'raw';
    }
  }

  #readLength(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    const complete = this.#left === 0;
    if (this.#state === 'chunk-bytes') {
      if (complete) {
        this.#lines.endChunk();
        this.#state = 'chunk-line';
      }
      this.#chunk(bytes, at, end);
    } else {
      this.#events.onBody(this.#own(bytes, at, end));
      if (complete) this.#end(undefined, bytes.length - end);
    }
    return end;
  }

  /**
   * Bytes of a chunk. Small ones are moved behind those before them, over the lines between: whoever sends many costs no
   * more than who sends one large one.
   */
  #chunk(bytes: Buffer, at: number, end: number): void {
    if (end - at >= SMALL_CHUNK_BYTES) {
      this.#tellGathered(bytes);
      if (!this.#isBroken()) this.#events.onBody(this.#own(bytes, at, end));
    } else if (this.#gatheredEnd === this.#gatheredAt) {
      this.#gatheredAt = at;
      this.#gatheredEnd = end;
    } else {
      bytes.copyWithin(this.#gatheredEnd, at, end);
      this.#gatheredEnd += end - at;
    }
  }

  #tellGathered(bytes: Buffer): void {
    const at = this.#gatheredAt;
    const end = this.#gatheredEnd;
    if (at === end) return;
    this.#gatheredEnd = at;
    // What is little of much is copied, too: it may be kept for long.
    const isFew = !this.#isLent && 2 * (end - at) < bytes.length;
    this.#events.onBody(isFew ? Buffer.from(bytes.subarray(at, end)) : this.#own(bytes, at, end));
  }

  #readChunkLine(bytes: Buffer, from: number): number {
    const at = this.#lines.read(bytes, from);
    if (typeof at === 'object') return this.#fail(at, bytes);
    if (!this.#lines.isRead) return at;
    this.#left = this.#lines.size;
    this.#state = this.#left === 0 ? 'trailers' : 'chunk-bytes';
    this.#searched = 0;
    return at;
  }

  #readTrailers(bytes: Buffer, start: number): number {
    this.#tellGathered(bytes);
    if (this.#isBroken()) return bytes.length;
    if (bytes[start] === CR && bytes[start + 1] === LF) {
      this.#end(undefined, bytes.length - start - 2);
      return start + 2;
    }
    const end = bytes.indexOf(HEAD_END, start + Math.max(0, this.#searched - 3));
    const size = (end === -1 ? bytes.length : end + 4) - start;
    if (end === -1 || size > this.#limits.maxHeadBytes) {
      const violation = this.#checkPart(bytes, start, start + Math.min(size, this.#limits.maxHeadBytes));
      if (violation) return this.#fail(violation, bytes);
      if (size > this.#limits.maxHeadBytes) return this.#fail(VIOLATIONS.headTooLarge, bytes);
      this.#held = this.#own(bytes, start, bytes.length);
      this.#searched = this.#held.length;
      return bytes.length;
    }
    const trailers: string[] = [];
    const text = bytes.toString('latin1', start, end + 2);
    const violation = readFields(text, 0, trailers, new Framing(), this.#limits.maxFields);
    if (violation) return this.#fail(violation, bytes);
    this.#end(trailers, bytes.length - end - 4);
    return end + 4;
  }
}
