/** Runs a parser over bytes in pieces, and writes down what it tells; for tests. */
import { type BodyKind, Parser, type ParserEvents } from '../parser.ts';
import { checkRequestStart, readRequestHead } from '../request-head.ts';
import { readResponseHead } from '../response-head.ts';

export const LIMITS = { maxHeadBytes: 2048, maxFields: 20 } as const;

/** What a parser told: heads as JSON, bodies joined, ends with their trailers, and `violation` at the end. */
export type Told = readonly string[];

function recorder(told: string[], readHead: ParserEvents['readHead'], next: () => void): ParserEvents {
  const last = (): string => told.at(-1) ?? '';
  return {
    readHead(text, framing) {
      const read = readHead(text, framing);
      if (typeof read !== 'object') told.push(`head ${JSON.stringify(text)} ${read}`);
      return read;
    },
    onBody(chunk) {
      if (chunk.length === 0) throw new Error('an empty piece of a body');
      const body = chunk.toString('latin1');
      if (last().startsWith('body ')) told[told.length - 1] += body;
      else told.push(`body ${body}`);
    },
    onEnd(trailers) {
      told.push(`end ${JSON.stringify(trailers ?? [])}`);
      next();
    },
    // Of several faults, which one is told first depends on the pieces.
    onViolation: () => told.push('violation'),
  };
}

function requestBody(
  text: string,
  framing: Parameters<ParserEvents['readHead']>[1],
): ReturnType<ParserEvents['readHead']> {
  const head = readRequestHead(text, framing, LIMITS.maxFields);
  if ('detail' in head) return head;
  return head.bodyLength === -1 ? 'chunked' : head.bodyLength;
}

function responseBody(
  text: string,
  framing: Parameters<ParserEvents['readHead']>[1],
): ReturnType<ParserEvents['readHead']> {
  const read = readResponseHead(text, 'GET', framing, LIMITS.maxFields);
  if ('detail' in read) return read;
  const { status, bodyLength } = read.head;
  if (status < 200) return 'informational';
  const untilClose: BodyKind = 'until-close';
  if (bodyLength >= 0) return bodyLength;
  return framing.chunked ? 'chunked' : untilClose;
}

/** What a parser tells of these pieces; `most` is how many bytes it held back at most. */
export function parse(
  kind: 'request' | 'response',
  pieces: readonly Buffer[],
): { readonly told: Told; readonly most: number } {
  const told: string[] = [];
  let most = 0;
  const readHead = kind === 'request' ? requestBody : responseBody;
  const events = recorder(told, readHead, () => parser.next());
  const parser = new Parser(events, LIMITS, kind === 'request' ? checkRequestStart : undefined);
  for (const piece of pieces) {
    parser.push(piece);
    most = Math.max(most, parser.heldBytes);
  }
  if (parser.finish()) told.push('finished');
  return { told, most };
}

/** The bytes cut at these places, each a share of the whole. */
export function cut(bytes: Buffer, places: readonly number[]): readonly Buffer[] {
  const at = [...new Set(places.map((place) => Math.floor(place * bytes.length)))].sort((a, b) => a - b);
  const ends = [...at, bytes.length];
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end)).filter(({ length }) => length > 0);
}
