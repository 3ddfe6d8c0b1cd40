/** The Huffman code of HPACK (RFC 7541, 5.2 and appendix B), read four bits at a time. */

/**
 * How long the code of each byte is: `a` is 5 bits, `z` is 30. The code is canonical (shorter codes first, then smaller
 * bytes), so that the lengths tell all of it; the end of a string, as byte 256, has the last code of 30 bits.
 */
const LENGTHS =
  'isxxxxxxxtzxxzxxxxxxxxzxxxxxxxxxbffhibdgffdgdbbbaaabbbbbbbcdkbhf' +
  'ibccccccccccccccccccccccdcdioijbkabababbbaccbbbabcbaabccccckgjix' +
  'prpprrrsrssssststtrstssssqrsrsstrqprrssqsrrtqrssqqrqsrssprrrsrrs' +
  'vvporsruvvvwwvtuoqvwwvwtqqvvxwwwptpqrqqsrruuttvsvwvvwwwwwxwwwwwv';
const END_OF_STRING = 256;
const MAX_LENGTH = 30;

function lengthOf(symbol: number): number {
  return symbol === END_OF_STRING ? MAX_LENGTH : LENGTHS.charCodeAt(symbol) - 92;
}

const LENGTH = Uint8Array.from({ length: 256 }, (_, symbol) => lengthOf(symbol));

function makeCodes(): Uint32Array {
  const codes = new Uint32Array(257);
  const symbols = Array.from({ length: 257 }, (_, symbol) => symbol);
  symbols.sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
  let code = 0;
  let length = 0;
  for (const symbol of symbols) {
    code <<= lengthOf(symbol) - length;
    length = lengthOf(symbol);
    codes[symbol] = code++;
  }
  return codes;
}

const CODES = makeCodes();

// One entry of the decoder's table: the state after four bits, and what they ended.
const EMITS = 0x100;
const FAILS = 0x200;
const SYMBOL_SHIFT = 10;

interface Tables {
  /** By state and four bits. */
  readonly steps: Int32Array;
  /** 1 for states in which a string may end: at most seven bits follow the last byte, and all are 1. */
  readonly ends: Uint8Array;
}

/** The code as a tree: a child is the number of a node, or a symbol with all bits turned over. */
function makeTree(): Int32Array[] {
  const nodes: Int32Array[] = [new Int32Array(2)];
  for (let symbol = 0; symbol <= END_OF_STRING; symbol++) {
    const length = lengthOf(symbol);
    let node = 0;
    for (let bit = length - 1; bit > 0; bit--) {
      const side = ((CODES[symbol] as number) >>> bit) & 1;
      const children = nodes[node] as Int32Array;
      if (children[side] === 0) children[side] = nodes.push(new Int32Array(2)) - 1;
      node = children[side] as number;
    }
    (nodes[node] as Int32Array)[(CODES[symbol] as number) & 1] = ~symbol;
  }
  return nodes;
}

function makeTables(): Tables {
  const nodes = makeTree();
  const steps = new Int32Array(nodes.length * 16);
  for (let state = 0; state < nodes.length; state++) {
    for (let bits = 0; bits < 16; bits++) {
      let node = state;
      let out = 0;
      for (let bit = 3; bit >= 0; bit--) {
        const child = (nodes[node] as Int32Array)[(bits >>> bit) & 1] as number;
        if (child === ~END_OF_STRING) out |= FAILS;
        else if (child < 0) out |= EMITS | (~child << SYMBOL_SHIFT);
        node = Math.max(child, 0);
      }
      steps[state * 16 + bits] = out | node;
    }
  }
  const ends = new Uint8Array(nodes.length);
  let node = 0;
  for (let depth = 0; depth < 8; depth++) {
    ends[node] = 1;
    node = (nodes[node] as Int32Array)[1] as number;
  }
  return { steps, ends };
}

const { steps: STEPS, ends: ENDS } = makeTables();

/** Bytes that so many coded ones are decoded to at most: the shortest code has five bits. */
export function maxDecodedBytes(coded: number): number {
  return Math.floor((coded * 8) / 5);
}

/**
 * Decodes the bytes of `from` between `start` and `end` into `to`, from its first byte on. Gives how many there are; -1
 * where they are not a well-formed string: the end of a string coded, or wrong or too much padding.
 */
export function huffmanDecode(from: Buffer, start: number, end: number, to: Buffer): number {
  let state = 0;
  let at = 0;
  for (let i = start; i < end; i++) {
    const byte = from[i] as number;
    let step = STEPS[(state << 4) | (byte >>> 4)] as number;
    if (step & (EMITS | FAILS)) {
      if (step & FAILS) return -1;
      to[at++] = step >>> SYMBOL_SHIFT;
    }
    step = STEPS[((step & 0xff) << 4) | (byte & 15)] as number;
    if (step & (EMITS | FAILS)) {
      if (step & FAILS) return -1;
      to[at++] = step >>> SYMBOL_SHIFT;
    }
    state = step & 0xff;
  }
  return ENDS[state] === 1 ? at : -1;
}

/** How many bytes a text of one byte per character takes when coded. */
export function huffmanLength(text: string): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += LENGTH[text.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Writes a text of one byte per character, coded; gives where it ends. There must be room. */
export function huffmanEncode(text: string, to: Buffer, start: number): number {
  let at = start;
  // Fewer than eight bits wait before each step.
  let waiting = 0;
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text.charCodeAt(i) & 0xff;
    const code = CODES[symbol] as number;
    let left = LENGTH[symbol] as number;
    while (left > 0) {
      const taken = Math.min(left, 8 - count);
      left -= taken;
      waiting = (waiting << taken) | ((code >>> left) & ((1 << taken) - 1));
      count += taken;
      if (count < 8) continue;
      to[at++] = waiting;
      waiting = 0;
      count = 0;
    }
  }
  if (count > 0) to[at++] = (waiting << (8 - count)) | (0xff >>> count);
  return at;
}
