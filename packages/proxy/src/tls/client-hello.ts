/** What a client says before the handshake begins: the server name and the protocols (RFC 8446, 4.1.2; RFC 6066, 3). */

export interface ClientHello {
  /** In lower case; '' where none was sent. */
  readonly serverName: string;
  readonly protocols: readonly string[];
}

/** `more`: not all of it has come; `not-tls`: this is something else. */
export type ClientHelloResult = ClientHello | 'more' | 'not-tls';

const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
const MAX_BYTES = 16_384;

class Short extends Error {}

/** Reads numbers and vectors, and throws where they do not fit. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(bytes: number): number {
    if (this.#at + bytes > this.#bytes.length) throw new Short();
    const value = this.#bytes.readUIntBE(this.#at, bytes);
    this.#at += bytes;
    return value;
  }

  take(length: number): Buffer {
    if (this.#at + length > this.#bytes.length) throw new Short();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  vector(lengthBytes: number): Cursor {
    return new Cursor(this.take(this.number(lengthBytes)));
  }

  rest(): Buffer {
    return this.take(this.#bytes.length - this.#at);
  }
}

/** The handshake message of one or more records; undefined: it is not complete. */
function handshakeMessage(bytes: Buffer): Buffer | undefined | 'not-tls' {
  const parts: Buffer[] = [];
  let at = 0;
  let gathered = 0;
  while (at + 5 <= bytes.length) {
    if (bytes[at] !== HANDSHAKE_RECORD || bytes[at + 1] !== 3) return 'not-tls';
    const length = bytes.readUInt16BE(at + 3);
    const part = bytes.subarray(at + 5, at + 5 + length);
    parts.push(part);
    gathered += part.length;
    const message = Buffer.concat(parts);
    if (gathered >= 4 && gathered >= 4 + message.readUIntBE(1, 3)) return message;
    if (part.length < length) return undefined;
    at += 5 + length;
  }
  return undefined;
}

function readExtensions(extensions: Cursor): ClientHello {
  let serverName = '';
  const protocols: string[] = [];
  while (!extensions.atEnd) {
    const type = extensions.number(2);
    const body = extensions.vector(2);
    if (type === SERVER_NAME) {
      const names = body.vector(2);
      if (names.number(1) === 0) serverName = names.vector(2).rest().toString('latin1').toLowerCase();
    } else if (type === ALPN) {
      const list = body.vector(2);
      while (!list.atEnd) protocols.push(list.vector(1).rest().toString('latin1'));
    }
  }
  return { serverName, protocols };
}

/** Reads the start of a connection, as far as it came. */
export function readClientHello(bytes: Buffer): ClientHelloResult {
  if (bytes.length > 0 && bytes[0] !== HANDSHAKE_RECORD) return 'not-tls';
  const message = handshakeMessage(bytes);
  if (message === 'not-tls') return 'not-tls';
  if (message === undefined) return bytes.length > MAX_BYTES ? 'not-tls' : 'more';
  try {
    const cursor = new Cursor(message);
    if (cursor.number(1) !== CLIENT_HELLO) return 'not-tls';
    const hello = cursor.vector(3);
    hello.take(2 + 32);
    hello.vector(1);
    hello.vector(2);
    hello.vector(1);
    return hello.atEnd ? { serverName: '', protocols: [] } : readExtensions(hello.vector(2));
  } catch (error) {
    if (error instanceof Short) return 'not-tls';
    throw error;
  }
}
