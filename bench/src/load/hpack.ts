/**
 * Head blocks made beforehand (RFC 7541): the first of a connection puts its fields into the dynamic table, later ones
 * name them there, as HTTP/2 clients do. No Huffman code.
 */

/** Of the static table, those that are whole (appendix A). */
const STATIC_FIELDS: Readonly<Record<string, number>> = {
  ':method GET': 2,
  ':method POST': 3,
  ':path /': 4,
  ':scheme http': 6,
  ':scheme https': 7,
  ':status 200': 8,
};
const STATIC_SIZE = 61;
const AUTHORITY = 1;
const PATH = 4;

export type Field = readonly [name: string, value: string];

/** A number of `prefixBits` bits or more (section 5.1), with what stands before it in its first byte. */
function integer(pattern: number, prefixBits: number, value: number): number[] {
  const limit = (1 << prefixBits) - 1;
  if (value < limit) return [pattern | value];
  const bytes = [pattern | limit];
  let left = value - limit;
  for (; left >= 128; left = Math.floor(left / 128)) bytes.push((left % 128) | 128);
  return [...bytes, left];
}

function literal(text: string): number[] {
  return [...integer(0, 7, text.length), ...Buffer.from(text, 'latin1')];
}

/** The table of one connection, on the encoder's side; what is put in must fit, nothing is ever evicted. */
export class HeadEncoder {
  readonly #fields: string[] = [];

  encode(fields: readonly Field[]): Buffer {
    return Buffer.from(fields.flatMap((field) => this.#field(field)));
  }

  #field([name, value]: Field): number[] {
    const whole = `${name} ${value}`;
    const known = STATIC_FIELDS[whole];
    if (known !== undefined) return integer(0x80, 7, known);
    // Paths differ from request to request: clients leave them out of the table.
    if (name === ':path') return [...integer(0, 4, PATH), ...literal(value)];
    const index = this.#fields.indexOf(whole);
    if (index >= 0) return integer(0x80, 7, STATIC_SIZE + this.#fields.length - index);
    this.#fields.push(whole);
    const start = name === ':authority' ? integer(0x40, 6, AUTHORITY) : [0x40, ...literal(name)];
    return [...start, ...literal(value)];
  }
}
